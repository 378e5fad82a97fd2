/** A page of your jobs, asked for again while it is looked at: often while something runs, else now and then. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type JobStatus, listJobs } from '@/api/generated';
import { isFinal } from '@/lib/job-stream/state';

export interface JobFilter {
  status?: JobStatus | undefined;
  model?: string | undefined;
  task?: string | undefined;
  cursor?: string | undefined;
}

const PAGE = 25;
const BUSY_MS = 2_000;
const QUIET_MS = 8_000;

export const jobsQuery = (filter: JobFilter) =>
  queryOptions({
    queryKey: ['jobs', 'list', filter],
    queryFn: ({ signal }) => listJobs({ query: { ...filter, limit: PAGE }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.data.some((job) => !isFinal(job)) ? BUSY_MS : QUIET_MS),
  });
