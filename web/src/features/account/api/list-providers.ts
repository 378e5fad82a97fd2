/** Where else one can log in. */
import { queryOptions } from '@tanstack/react-query';
import { listLoginProviders } from '@/api/generated';

export const providersQuery = queryOptions({
  queryKey: ['providers'],
  queryFn: async ({ signal }) => (await listLoginProviders({ signal })).data,
  staleTime: Infinity,
});
