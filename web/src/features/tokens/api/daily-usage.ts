/** What was used with each token, by day, over the last 30 days: one request for all sparklines. */
import { queryOptions } from '@tanstack/react-query';
import { getUsage } from '@/api/generated';

export const dailyUsageQuery = queryOptions({
  queryKey: ['usage', 'tokens', 'daily'],
  queryFn: ({ signal }) => getUsage({ query: { grain: 'day', group_by: 'token' }, signal }),
  staleTime: 60_000,
});
