/** The workers, as they are now. */
import { queryOptions } from '@tanstack/react-query';
import { listWorkers } from '@/api/generated';
import { LIVE_MS } from './live';

export const workersQuery = queryOptions({
  queryKey: ['admin', 'workers'],
  queryFn: async ({ signal }) => (await listWorkers({ signal })).data,
  refetchInterval: LIVE_MS,
});
