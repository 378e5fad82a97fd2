/** One token with what was used with it. */
import { queryOptions } from '@tanstack/react-query';
import { getToken } from '@/api/generated';

export const tokenQuery = (id: string) =>
  queryOptions({
    queryKey: ['tokens', 'one', id],
    queryFn: ({ signal }) => getToken({ path: { id }, signal }),
  });
