/** The models of the installation, the ones that are switched off among them. */
import { queryOptions } from '@tanstack/react-query';
import { listModels } from '@/api/generated';
import { CALM_MS } from './live';

export const modelsQuery = queryOptions({
  queryKey: ['admin', 'models'],
  queryFn: async ({ signal }) => (await listModels({ signal })).data,
  refetchInterval: CALM_MS,
});
