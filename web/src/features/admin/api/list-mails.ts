/** The outbox: what was to be mailed, and how far it is. */
import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { listOutbox, type OutboxState } from '@/api/generated';
import { CALM_MS } from './live';

const PAGE = 30;

export function mailsQuery(state: OutboxState | undefined) {
  return infiniteQueryOptions({
    queryKey: ['admin', 'outbox', state],
    queryFn: ({ pageParam, signal }) =>
      listOutbox({ query: { state, cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
    refetchInterval: CALM_MS,
  });
}
