/** The steps of a job's life so far, from what is known of it. */
import type { AttemptOutcome, Job } from '@/api/generated';
import { isFinal } from '@/lib/job-stream/state';
import { type Run, runsOf } from './runs';

/** Ends of runs that are not the job's, or say more than the job's does. */
export type Broken = Exclude<AttemptOutcome, 'succeeded' | 'failed' | 'canceled'>;

export type Step =
  | { kind: 'queued'; at: string }
  | { kind: 'claimed'; at: string; run: number; worker: string; waitedMs?: number }
  | { kind: 'cancelAsked'; at: string }
  | { kind: 'running' }
  | { kind: 'batch'; size: number; computeMs: number; device?: string }
  | { kind: 'broken'; at?: string; run: number; outcome: Broken; size?: number }
  | { kind: 'again' }
  | { kind: 'ended'; at?: string; status: Job['status']; totalMs?: number };

export function stepsOf(job: Job): Step[] {
  const runs = runsOf(job);
  const steps: Step[] = [{ kind: 'queued', at: job.created_at }];
  runs.forEach((run, place) => {
    steps.push(claimed(job, run, runs[place - 1]), ...endOf(job, run, place === runs.length - 1));
  });
  const { cancel_requested_at: asked, completed_at, status, metrics } = job;
  if (asked) {
    // What waits is canceled at once: whoever asked for it did so in the last run, or after it.
    const during = steps.findLastIndex((step) => 'at' in step && step.at !== undefined && step.at <= asked);
    steps.splice(during + 1, 0, { kind: 'cancelAsked', at: asked });
  }
  if (isFinal(job)) steps.push({ kind: 'ended', at: completed_at, status, totalMs: metrics?.total_ms });
  else if (status === 'processing') steps.push({ kind: 'running' });
  else if (runs.length > 0) steps.push({ kind: 'again' });
  return steps;
}

function claimed(job: Job, run: Run, before: Run | undefined): Step {
  // Where the run before is not known, or not its end, nor is the wait.
  const since = run.number === 1 ? job.created_at : before?.ended_at;
  const waitedMs = since === undefined ? undefined : Date.parse(run.started_at) - Date.parse(since);
  return { kind: 'claimed', at: run.started_at, run: run.number, worker: run.worker, waitedMs };
}

function endOf(job: Job, run: Run, last: boolean): Step[] {
  const { outcome, number, ended_at: at, batch_size } = run;
  if (outcome && outcome !== 'succeeded' && outcome !== 'failed' && outcome !== 'canceled') {
    return [{ kind: 'broken', at, run: number, outcome, size: batch_size }];
  }
  // The job's figures are those of its last run.
  const { compute_ms: computeMs, batch_size: size = batch_size ?? 1, device } = job.metrics ?? {};
  if (!last || !isFinal(job) || computeMs === undefined) return [];
  return [{ kind: 'batch', size, computeMs, device }];
}
