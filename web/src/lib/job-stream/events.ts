/** The events of a job in their types. */
import * as z from 'zod/mini';
import type { Job } from '@/api/generated';
import type { RawEvent } from './sse';

/**
 * - `status`: the job as it stands; first, and whenever its state or its place in the queue changes;
 * - `progress`: how far the run has come, `fraction` from 0 to 1;
 * - `output`: a piece of the output; `index` counts from 0 in each run;
 * - `reset`: a new run has started, the pieces seen so far are void;
 * - `gap`: some pieces are no longer kept, the whole result is in the job of `done`;
 * - `done`: the job has ended, nothing follows.
 */
export type JobEvent =
  | { type: 'status'; job: Job }
  | { type: 'progress'; fraction: number; stage?: string | undefined }
  | { type: 'output'; index: number; chunk: unknown }
  | { type: 'reset' }
  | { type: 'gap' }
  | { type: 'done'; job: Job };

const progress = z.object({ fraction: z.number(), stage: z.optional(z.string()) });
const output = z.object({ index: z.number(), chunk: z.unknown() });
const job = z.looseObject({ id: z.string(), status: z.string() });

/** Undefined for names that this version does not know, so that servers may add some. */
export function typedEvent(raw: RawEvent): JobEvent | undefined {
  if (raw.data === undefined) return undefined;
  switch (raw.name) {
    case 'status':
    case 'done':
      // The rest of a job is as the API's description says; the generated type is made from it.
      return { type: raw.name, job: job.parse(JSON.parse(raw.data)) as unknown as Job };
    case 'progress':
      return { type: 'progress', ...progress.parse(JSON.parse(raw.data)) };
    case 'output':
      return { type: 'output', ...output.parse(JSON.parse(raw.data)) };
    case 'reset':
    case 'gap':
      return { type: raw.name };
    default:
      return undefined;
  }
}

/** Whether event id `a` (`<run>-<number>`) comes after `b`; nothing comes before `0-0`. */
export function isAfter(a: string | undefined, b: string | undefined): boolean {
  const [runA, numberA] = position(a);
  const [runB, numberB] = position(b);
  return runA === runB ? numberA > numberB : runA > runB;
}

function position(id: string | undefined): [number, number] {
  const parts = /^(\d+)-(\d+)$/.exec(id ?? '');
  return parts ? [Number(parts[1]), Number(parts[2])] : [0, 0];
}
