/** The steps of a job's life so far, from what is known of it. */
import type { Job } from '@/api/generated';
import { isFinal } from '@/lib/job-stream/state';

export type Step =
  | { kind: 'queued'; at: string }
  | { kind: 'claimed'; at: string; worker?: string; waitedMs?: number; attempt: number }
  | { kind: 'running' }
  | { kind: 'batch'; size: number; computeMs: number; device?: string }
  | { kind: 'cancelAsked'; at: string }
  | { kind: 'ended'; at?: string; status: Job['status']; totalMs?: number };

export function stepsOf(job: Job): Step[] {
  const steps: Step[] = [{ kind: 'queued', at: job.created_at }];
  const { metrics = {}, started_at, cancel_requested_at } = job;
  // One that waits again, after a run that was lost, has begun nothing yet.
  if (started_at && job.status !== 'queued') {
    const waitedMs = metrics.queue_ms ?? Date.parse(started_at) - Date.parse(job.created_at);
    steps.push({ kind: 'claimed', at: started_at, worker: job.worker, waitedMs, attempt: job.attempt });
  }
  if (metrics.compute_ms !== undefined) {
    const { batch_size: size = 1, compute_ms: computeMs, device } = metrics;
    steps.push({ kind: 'batch', size, computeMs, device });
  }
  if (cancel_requested_at) steps.push({ kind: 'cancelAsked', at: cancel_requested_at });
  if (isFinal(job)) {
    steps.push({ kind: 'ended', at: job.completed_at, status: job.status, totalMs: metrics.total_ms });
  } else if (job.status === 'processing') {
    steps.push({ kind: 'running' });
  }
  return steps;
}
