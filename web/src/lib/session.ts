/** Who is logged in. Everything that depends on it asks here. */
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { getSession } from '@/api/generated';
import { isApiError } from './problem';

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => {
    try {
      return await getSession({ signal });
    } catch (error) {
      if (isApiError(error) && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

/** The user; null for guests, undefined until it is known. */
export function useUser() {
  const { data } = useQuery(sessionQuery);
  return data === undefined ? undefined : (data?.user ?? null);
}

/** Called after a login, a logout and whatever ends sessions: nothing that was seen before may stay. */
export function useSessionChanged() {
  const queryClient = useQueryClient();
  return async () => {
    queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
    await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
  };
}
