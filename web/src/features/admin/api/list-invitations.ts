/** Invitations, newest first. */
import { infiniteQueryOptions } from '@tanstack/react-query';
import { listInvitations } from '@/api/generated';

const PAGE = 30;

export const invitationsQuery = infiniteQueryOptions({
  queryKey: ['admin', 'invitations'],
  queryFn: ({ pageParam, signal }) => listInvitations({ query: { cursor: pageParam, limit: PAGE }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor,
});
