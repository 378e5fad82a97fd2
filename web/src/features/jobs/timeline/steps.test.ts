import { describe, expect, it } from 'vitest';
import type { Job, JobAttempt } from '@/api/generated';
import { stepsOf } from './steps';

/** So many seconds past six. */
const at = (seconds: number) => `2026-11-30T06:00:${String(seconds).padStart(2, '0')}Z`;

const waiting = {
  id: 'job_1',
  status: 'queued',
  attempt: 0,
  attempts: [],
  created_at: at(0),
} as unknown as Job;
const first: JobAttempt = { number: 1, worker: 'desk', started_at: at(2) };
const running: Job = {
  ...waiting,
  status: 'processing',
  attempt: 1,
  attempts: [first],
  started_at: at(2),
  worker: 'desk',
};
const succeeded: Job = {
  ...running,
  status: 'succeeded',
  attempts: [{ ...first, ended_at: at(3), outcome: 'succeeded', batch_size: 4 }],
  completed_at: at(3),
  metrics: { queue_ms: 2000, compute_ms: 900, total_ms: 3000, batch_size: 4, device: 'cpu' },
};
const lost: JobAttempt = { ...first, ended_at: at(16), outcome: 'lost' };
const kinds = (job: Job) => stepsOf(job).map(({ kind }) => kind);

describe('stepsOf', () => {
  it('grows with the job', () => {
    expect(kinds(waiting)).toEqual(['queued']);
    expect(kinds(running)).toEqual(['queued', 'claimed', 'running']);
    expect(kinds(succeeded)).toEqual(['queued', 'claimed', 'batch', 'ended']);
    expect(stepsOf(succeeded)[2]).toEqual({ kind: 'batch', size: 4, computeMs: 900, device: 'cpu' });
  });

  it('reckons the wait of each run', () => {
    const second: JobAttempt = { number: 2, worker: 'attic', started_at: at(17) };
    const again: Job = { ...running, attempts: [lost, second], started_at: at(17), worker: 'attic' };
    const claims = stepsOf(again).filter(({ kind }) => kind === 'claimed');
    expect(claims).toMatchObject([
      { run: 1, worker: 'desk', waitedMs: 2000 },
      { run: 2, worker: 'attic', waitedMs: 1000 },
    ]);
  });

  it('does not guess a wait that nothing is known of', () => {
    const second: JobAttempt = { number: 2, worker: 'attic', started_at: at(17) };
    const of = (attempts: JobAttempt[]) => stepsOf({ ...running, attempts, started_at: at(17) }).slice(0, 3);
    expect(of([second])[1]).toMatchObject({ run: 2, waitedMs: undefined });
    expect(of([first, second])[2]).toMatchObject({ run: 2, waitedMs: undefined });
  });

  it('tells of runs that came to nothing', () => {
    const queued: Job = { ...waiting, attempts: [lost], started_at: at(2), attempt: 1 };
    expect(kinds(queued)).toEqual(['queued', 'claimed', 'broken', 'again']);
    expect(stepsOf(queued)[2]).toMatchObject({ run: 1, outcome: 'lost', at: at(16) });
    const crashed: JobAttempt = { ...first, ended_at: at(3), outcome: 'crashed', batch_size: 8 };
    const failed: Job = { ...running, status: 'failed', attempts: [crashed], completed_at: at(3) };
    expect(kinds(failed)).toEqual(['queued', 'claimed', 'broken', 'ended']);
    expect(stepsOf(failed)[2]).toMatchObject({ outcome: 'crashed', size: 8 });
  });

  it('knows the run that only an event has told of', () => {
    const told: Job = { ...running, attempts: [lost], started_at: at(17), worker: 'attic' };
    expect(kinds(told)).toEqual(['queued', 'claimed', 'broken', 'claimed', 'running']);
    expect(stepsOf(told)[3]).toMatchObject({ run: 2, worker: 'attic', at: at(17) });
    expect(kinds({ ...running, attempts: undefined })).toEqual(['queued', 'claimed', 'running']);
  });

  it('tells of a cancellation', () => {
    const asked = { cancel_requested_at: at(2) };
    expect(kinds({ ...running, ...asked })).toEqual(['queued', 'claimed', 'cancelAsked', 'running']);
    expect(kinds({ ...waiting, ...asked, status: 'canceled' })).toEqual(['queued', 'cancelAsked', 'ended']);
    const later = { ...waiting, attempts: [lost], cancel_requested_at: at(20), status: 'canceled' } as Job;
    expect(kinds(later)).toEqual(['queued', 'claimed', 'broken', 'cancelAsked', 'ended']);
  });
});
