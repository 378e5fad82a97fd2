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

/** Whether a run is over that the answer knows no end of, going by what an event told later. */
export function lacksAnEnd(answered: Job, told: Job): boolean {
  const last = answered.attempts?.at(-1);
  const ended = (run: Run | undefined) => run?.ended_at !== undefined;
  if (told.started_at === undefined) return false;
  if (last?.started_at === told.started_at) return told.status === 'queued' && !ended(last);
  return told.status === 'queued' || (last ? !ended(last) : told.attempt > 1);
}
