import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { stepsOf } from './steps';

const waiting = { id: 'job_1', status: 'queued', attempt: 0, created_at: '2026-11-30T06:00:00Z' } as Job;
const running = {
  ...waiting,
  status: 'processing',
  attempt: 1,
  started_at: '2026-11-30T06:00:02Z',
  worker: 'desk',
} as Job;
const kinds = (job: Job) => stepsOf(job).map(({ kind }) => kind);

describe('stepsOf', () => {
  it('grows with the job', () => {
    expect(kinds(waiting)).toEqual(['queued']);
    expect(kinds(running)).toEqual(['queued', 'claimed', 'running']);
    const ended: Job = {
      ...running,
      status: 'succeeded',
      completed_at: '2026-11-30T06:00:03Z',
      metrics: { queue_ms: 2000, compute_ms: 900, total_ms: 3000, batch_size: 4, device: 'cpu' },
    };
    expect(kinds(ended)).toEqual(['queued', 'claimed', 'batch', 'ended']);
    expect(stepsOf(ended)[2]).toEqual({ kind: 'batch', size: 4, computeMs: 900, device: 'cpu' });
  });

  it('reckons the wait while the server has not told it', () => {
    expect(stepsOf(running)[1]).toMatchObject({ waitedMs: 2000, worker: 'desk' });
  });

  it('starts over where a run was lost', () => {
    expect(kinds({ ...running, status: 'queued' })).toEqual(['queued']);
  });

  it('tells of a cancellation', () => {
    const asked = { cancel_requested_at: '2026-11-30T06:00:02Z' };
    expect(kinds({ ...running, ...asked })).toEqual(['queued', 'claimed', 'cancelAsked', 'running']);
    expect(kinds({ ...waiting, ...asked, status: 'canceled' })).toEqual(['queued', 'cancelAsked', 'ended']);
  });
});
