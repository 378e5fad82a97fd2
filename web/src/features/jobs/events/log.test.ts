import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { fold, type JobSignal, unseen } from '@/lib/job-stream/state';
import { type Entry, newsOf, withNews } from './log';

const job = (status: Job['status'], position?: number) =>
  ({ id: 'job_1', status, queue: position === undefined ? undefined : { position } }) as Job;

function logOf(...signals: JobSignal[]) {
  let log: readonly Entry[] = [];
  let state = unseen;
  for (const [at, signal] of signals.entries()) {
    const next = fold(state, signal);
    log = withNews(log, newsOf(state, next), at);
    state = next;
  }
  return log;
}

describe('the log', () => {
  it('tells what changed, and puts together what grows', () => {
    const log = logOf(
      { type: 'start', job: job('queued', 4) },
      { type: 'connection', state: 'open' },
      { type: 'status', job: job('queued', 2) },
      { type: 'status', job: job('processing') },
      { type: 'output', index: 0, chunk: 'Hel' },
      { type: 'progress', fraction: 0.5 },
      { type: 'output', index: 1, chunk: 'lo' },
      { type: 'done', job: job('succeeded') },
    );
    expect(log.map(({ kind }) => kind)).toEqual([
      'status',
      'place',
      'connection',
      'place',
      'status',
      'text',
      'progress',
      'status',
    ]);
    expect(log[5]).toMatchObject({ length: 5, at: 6 });
  });

  it('tells of a new run and of a lost connection', () => {
    const log = logOf(
      { type: 'start', job: job('processing') },
      { type: 'output', index: 0, chunk: [1] },
      { type: 'connection', state: 'lost' },
      { type: 'reset' },
      { type: 'progress', fraction: 0.5, stage: 'reading' },
    );
    expect(log.map(({ kind }) => kind)).toEqual(['status', 'output', 'connection', 'restarted', 'progress']);
  });

  it('gives every entry a number of its own', () => {
    let log: readonly Entry[] = [];
    for (let at = 0; at < 500; at += 1) log = withNews(log, [{ kind: 'restarted' }], at);
    expect(log).toHaveLength(200);
    expect(new Set(log.map(({ number }) => number)).size).toBe(200);
  });
});
