import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { fold, type JobSignal, unseen } from './state';

const job = (status: Job['status']) => ({ id: 'job_1', status }) as Job;
const after = (...signals: JobSignal[]) => signals.reduce(fold, unseen);

describe('fold', () => {
  it('puts pieces of text together and forgets those of an earlier run', () => {
    const state = after(
      { type: 'start', job: job('queued') },
      { type: 'output', index: 0, chunk: 'old' },
      { type: 'progress', fraction: 0.5 },
      { type: 'reset' },
      { type: 'output', index: 0, chunk: 'Hel' },
      { type: 'output', index: 1, chunk: 'lo' },
    );
    expect(state.text).toBe('Hello');
    expect(state.progress).toBeUndefined();
  });

  it('keeps the text when the connection is lost', () => {
    const state = after(
      { type: 'start', job: job('processing') },
      { type: 'output', index: 0, chunk: 'Hel' },
      { type: 'connection', state: 'lost' },
    );
    expect(state).toMatchObject({ text: 'Hel', connection: 'lost' });
  });

  it('begins anew with another job', () => {
    const state = after({ type: 'output', index: 0, chunk: 'Hel' }, { type: 'start', job: job('succeeded') });
    expect(state).toMatchObject({ text: '', connection: 'closed' });
  });
});
