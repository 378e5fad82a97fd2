/** One job with its input and output. */
import { queryOptions } from '@tanstack/react-query';
import { getJob } from '@/api/generated';

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ['jobs', 'one', id],
    queryFn: ({ signal }) => getJob({ path: { id }, signal }),
  });
