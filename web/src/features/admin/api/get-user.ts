/** One account. */
import { queryOptions } from '@tanstack/react-query';
import { getUser } from '@/api/generated';

export function userQuery(id: string) {
  return queryOptions({
    queryKey: ['admin', 'user', id],
    queryFn: ({ signal }) => getUser({ path: { id }, signal }),
    staleTime: 60_000,
  });
}
