/** What is known of a job that is followed, event by event. */
import type { Job } from '@/api/generated';
import type { JobEvent } from './events';
import type { Connection } from './follow';

export interface JobState {
  job?: Job | undefined;
  /** Pieces of text of this run, together. */
  text: string;
  /** Pieces of this run that are no text. */
  pieces: unknown[];
  progress?: { fraction: number; stage?: string | undefined } | undefined;
  connection: 'connecting' | 'open' | 'lost' | 'closed';
  /** Why it could not be followed to its end. */
  failure?: unknown;
}

export const unseen: JobState = { text: '', pieces: [], connection: 'connecting' };

export type JobSignal =
  JobEvent | Connection | { type: 'start'; job: Job } | { type: 'failure'; error: unknown };

const FINAL = new Set<string>(['succeeded', 'failed', 'canceled', 'expired']);

export function isFinal(job: Job | undefined): boolean {
  return job !== undefined && FINAL.has(job.status);
}

export function fold(state: JobState, event: JobSignal): JobState {
  switch (event.type) {
    case 'start':
      return { ...unseen, job: event.job, connection: isFinal(event.job) ? 'closed' : 'connecting' };
    case 'connection':
      return { ...state, connection: event.state };
    case 'status':
      return { ...state, job: event.job };
    case 'progress':
      return { ...state, progress: { fraction: event.fraction, stage: event.stage } };
    case 'output':
      return typeof event.chunk === 'string'
        ? { ...state, text: state.text + event.chunk }
        : { ...state, pieces: [...state.pieces, event.chunk] };
    case 'reset':
      return { ...state, text: '', pieces: [], progress: undefined };
    case 'gap':
      return state;
    case 'done':
      return { ...state, job: event.job, connection: 'closed' };
    case 'failure':
      return { ...state, connection: 'closed', failure: event.error };
  }
}
