/** The API tokens of an account, newest first. */
import { infiniteQueryOptions } from '@tanstack/react-query';
import { listUserTokens } from '@/api/generated';

const PAGE = 20;

export function userTokensQuery(user: string) {
  return infiniteQueryOptions({
    queryKey: ['admin', 'user-tokens', user],
    queryFn: ({ pageParam, signal }) =>
      listUserTokens({ path: { id: user }, query: { cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor,
  });
}
