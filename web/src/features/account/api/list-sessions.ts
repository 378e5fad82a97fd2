/** Where one is logged in, and the end of that. */
import { queryOptions, useQueryClient } from '@tanstack/react-query';
import { endSession, endSessions, listSessions } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: async ({ signal }) => (await listSessions({ signal })).data,
});

function useSessionsMutation<T>(mutationFn: (argument: T) => Promise<unknown>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  });
}

export function useEndSession() {
  return useSessionsMutation((id: string) => endSession({ path: { id } }));
}

export function useEndOtherSessions() {
  return useSessionsMutation(() => endSessions({ query: { keep_current: true } }));
}
