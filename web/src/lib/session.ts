/** Who is logged in. Everything that depends on it asks here. */
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { getSession } from '@/api/generated';
import { isApiError } from './problem';
import { queryClient } from './query-client';
import { forgetInTab } from './tab-memory';

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

// Whether a login has ended that nobody here ended, and how many changes of the session are on their way from here.
let ended = false;
let changing = 0;
const listeners = new Set<() => void>();

function setEnded(next: boolean) {
  if (ended === next) return;
  ended = next;
  for (const tell of listeners) tell();
}

/** Every failure of the API passes here: one of them may be the first to say that the login has ended. */
export function noteFailure(error: unknown) {
  if (changing > 0 || !isApiError(error, 'unauthorized')) return;
  if (!queryClient.getQueryData(sessionQuery.queryKey)) return;
  // Only who one is: what is on the page stays, and what was written with it.
  queryClient.setQueryData(sessionQuery.queryKey, null);
  setEnded(true);
}

/** Whether the login ended while one was here: elsewhere, by an administrator, or for its age. */
export function useLoginEnded(): boolean {
  const user = useUser();
  const known = useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => ended,
  );
  return known && !user;
}

/** Whether this is still the tab of `owner`, a guest's for null: also where their login ended without their doing. */
export function isStillOf(owner: string | null): boolean {
  const session = queryClient.getQueryData(sessionQuery.queryKey);
  return ended || session === undefined || (session?.user.id ?? null) === owner;
}

/** Called after a login, a logout and whatever ends sessions: nothing that was seen before may stay. */
export function useSessionChanged() {
  const client = useQueryClient();
  return async () => {
    changing += 1;
    try {
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
      await client.invalidateQueries({ queryKey: sessionQuery.queryKey });
      if (!client.getQueryData(sessionQuery.queryKey)) forgetInTab();
    } finally {
      changing -= 1;
      setEnded(false);
    }
  };
}
