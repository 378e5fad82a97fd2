/** The runs of a job, oldest first. */
import type { Job, JobAttempt } from '@/api/generated';

export type Run = JobAttempt;

/** Those that were answered, and the one that a later event told of: events carry the last run only. */
export function runsOf(job: Job): Run[] {
  const { attempts = [], started_at, worker = '' } = job;
  const last = attempts.at(-1);
  if (job.status !== 'processing' || !started_at || last?.started_at === started_at) return attempts;
  const number = (last?.number ?? 0) + 1;
  return [...attempts, { number, worker, started_at }];
}
