/** A page of your jobs, asked for again while it is looked at: often while something runs, else now and then. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type JobStatus, listJobs } from '@/api/generated';
import { isFinal } from '@/lib/job-stream/state';
import { pageOfTask } from '../filter/page-of-task';

export interface JobFilter {
  status?: JobStatus | undefined;
  model?: string | undefined;
  task?: string | undefined;
  cursor?: string | undefined;
}

const PAGE = 25;
/** What is asked for at once where tasks are picked out here. */
const LARGEST = 100;
const BUSY_MS = 2_000;
const QUIET_MS = 8_000;

export const jobsQuery = ({ task, ...query }: JobFilter) =>
  queryOptions({
    queryKey: ['jobs', 'list', { task, ...query }],
    queryFn: ({ signal }) => {
      if (!task) return listJobs({ query: { ...query, limit: PAGE }, signal });
      const fetchPage = (cursor?: string) =>
        listJobs({ query: { ...query, cursor, limit: LARGEST }, signal });
      return pageOfTask(fetchPage, task, query.cursor, PAGE);
    },
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.data.some((job) => !isFinal(job)) ? BUSY_MS : QUIET_MS),
  });
