/** What your tokens are called, ended ones too: usage of theirs is still shown. */
import { queryOptions } from '@tanstack/react-query';
import { listTokens } from '@/api/generated';

const MOST = 100;

export const tokenLabelsQuery = queryOptions({
  queryKey: ['tokens', 'labels'],
  queryFn: async ({ signal }) => {
    const { data } = await listTokens({ query: { limit: MOST }, signal });
    return new Map(data.map(({ id, name }) => [id, name]));
  },
  staleTime: 60_000,
});
