/** The names of the models, to choose from. */
import { queryOptions } from '@tanstack/react-query';
import { listModels } from '@/api/generated';

export const modelNamesQuery = queryOptions({
  queryKey: ['models', 'names'],
  queryFn: async ({ signal }) => (await listModels({ signal })).data.map(({ id }) => id),
  staleTime: 60_000,
});
