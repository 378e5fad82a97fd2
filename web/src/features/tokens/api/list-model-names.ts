/** The names of the models that a token may be limited to. */
import { queryOptions } from '@tanstack/react-query';
import { listModels } from '@/api/generated';

export const modelNamesQuery = queryOptions({
  queryKey: ['models', 'names'],
  queryFn: async ({ signal }) => (await listModels({ signal })).data.map(({ id }) => id),
  staleTime: 60_000,
});
