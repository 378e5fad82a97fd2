/** What was answered and what the stream tells of the same job, together. */
import type { Job } from '@/api/generated';
import { isFinal, type JobState } from '@/lib/job-stream/state';

/** News of the stream leave input, output and runs out until the end, and progress has events of its own. */
export function merged(answered: Job, live: JobState): Job {
  const { job: streamed, progress } = live;
  if (!streamed || isFinal(answered)) return answered;
  const { input = answered.input, output = answered.output, metadata = answered.metadata } = streamed;
  const { attempts = answered.attempts } = streamed;
  const job = { ...streamed, input, output, metadata, attempts };
  return progress ? { ...job, progress: { fraction: progress.fraction, stage: progress.stage ?? '' } } : job;
}
