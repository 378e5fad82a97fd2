/** What a plan allows. */
import { queryOptions } from '@tanstack/react-query';
import { getPlan } from '@/api/generated';

export const planQuery = (name: string) =>
  queryOptions({
    queryKey: ['plans', name],
    queryFn: ({ signal }) => getPlan({ path: { name }, signal }),
    staleTime: 60_000,
  });
