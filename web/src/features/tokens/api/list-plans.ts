/** The plans that there are. */
import { queryOptions } from '@tanstack/react-query';
import { listPlans } from '@/api/generated';

export const plansQuery = queryOptions({
  queryKey: ['plans'],
  queryFn: async ({ signal }) => (await listPlans({ signal })).data,
  staleTime: 30_000,
});
