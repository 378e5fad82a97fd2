/** Your tokens, newest first, page by page. */
import { infiniteQueryOptions } from '@tanstack/react-query';
import { listTokens } from '@/api/generated';

const PAGE = 100;

export const tokensQuery = infiniteQueryOptions({
  queryKey: ['tokens', 'list'],
  queryFn: ({ pageParam, signal }) => listTokens({ query: { limit: PAGE, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor,
  select: ({ pages }) => pages.flatMap(({ data }) => data),
});
