/** What your tokens are called, ended ones too: usage of theirs is still shown. */
import { queryOptions } from '@tanstack/react-query';
import { listTokens } from '@/api/generated';

const PAGE = 100;
/** So many hundreds of tokens nobody has; it only is an end. */
const MOST_PAGES = 50;

export const tokenLabelsQuery = queryOptions({
  queryKey: ['tokens', 'labels'],
  queryFn: async ({ signal }) => {
    const labels = new Map<string, string>();
    let cursor: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { data, next_cursor } = await listTokens({ query: { limit: PAGE, cursor }, signal });
      for (const { id, name } of data) labels.set(id, name);
      cursor = next_cursor;
      if (!cursor) break;
    }
    return labels;
  },
  staleTime: 60_000,
});
