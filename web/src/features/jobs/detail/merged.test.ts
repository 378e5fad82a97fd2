import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { type JobState, unseen } from '@/lib/job-stream/state';
import { merged } from './merged';

const answered = {
  id: 'job_1',
  status: 'queued',
  input: { a: 1 },
  attempts: [],
  queue: { position: 3 },
} as unknown as Job;
const told = (job: object, progress?: JobState['progress']): JobState => ({
  ...unseen,
  job: { id: 'job_1', ...job } as Job,
  progress,
});

describe('merged', () => {
  it('keeps the input, and nothing that is over', () => {
    const job = merged(answered, told({ status: 'processing' }, { fraction: 0.5 }));
    expect(job).toMatchObject({
      status: 'processing',
      input: { a: 1 },
      attempts: [],
      progress: { fraction: 0.5, stage: '' },
    });
    expect(job.queue).toBeUndefined();
  });

  it('takes the answer where the job had ended, or nothing was told', () => {
    const ended = { ...answered, status: 'failed' } as Job;
    expect(merged(ended, told({ status: 'processing' }))).toBe(ended);
    expect(merged(answered, unseen)).toBe(answered);
  });
});
