/** How answers are kept and asked for again. */
import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './problem';

const TRIES = 3;

function worthAnotherTry(failures: number, error: unknown): boolean {
  if (failures >= TRIES) return false;
  return error instanceof ApiError ? error.temporary || error.status === 500 : true;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    // A browser that calls itself offline may reach a server on its own machine all the same.
    queries: {
      staleTime: 10_000,
      retry: worthAnotherTry,
      refetchOnWindowFocus: true,
      networkMode: 'always',
      // Left out by that mode.
      refetchOnReconnect: true,
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});
