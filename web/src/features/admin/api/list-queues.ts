/** What waits for each model. */
import { queryOptions } from '@tanstack/react-query';
import { listQueues } from '@/api/generated';
import { LIVE_MS } from './live';

export const queuesQuery = queryOptions({
  queryKey: ['admin', 'queues'],
  queryFn: async ({ signal }) => (await listQueues({ signal })).data,
  refetchInterval: LIVE_MS,
});
