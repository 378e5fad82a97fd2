/** The events of a job, typed, and the reading of a server-sent event stream. No requests are made here. */
import type { Job } from './generated/types.gen.js';

/**
 * One event of a job:
 * - `status`: the job as it stands; first, and whenever its state or its place in the queue changes;
 * - `progress`: how far the run has come, `fraction` from 0 to 1;
 * - `output`: a piece of the output; `index` counts from 0 in each run;
 * - `reset`: a new run has started, throw away the chunks seen so far;
 * - `gap`: some chunks are no longer kept, the whole result is in the job of `done`;
 * - `done`: the job has ended, nothing follows.
 *
 * `id` is where to resume after this event (`stream(job, { after: id })`).
 */
export type JobEvent = { id?: string } & (
  | { type: 'status'; job: Job }
  | { type: 'progress'; fraction: number; stage?: string }
  | { type: 'output'; index: number; chunk: unknown }
  | { type: 'reset' }
  | { type: 'gap' }
  | { type: 'done'; job: Job }
);

/** One event as the stream carries it. `retryMs` may stand alone, without data. */
export interface RawEvent {
  name: string;
  data?: string;
  id?: string;
  retryMs?: number;
}

/** The event in its type; undefined for names this version does not know, so that servers may add some. */
export function typed(raw: RawEvent): JobEvent | undefined {
  if (raw.data === undefined) return undefined;
  const { id } = raw;
  switch (raw.name) {
    case 'status':
    case 'done':
      return { id, type: raw.name, job: JSON.parse(raw.data) as Job };
    case 'progress': {
      const { fraction, stage } = JSON.parse(raw.data) as { fraction: number; stage?: string };
      return { id, type: 'progress', fraction, stage };
    }
    case 'output': {
      const { index, chunk } = JSON.parse(raw.data) as { index: number; chunk: unknown };
      return { id, type: 'output', index, chunk };
    }
    case 'reset':
    case 'gap':
      return { id, type: raw.name };
    default:
      return undefined;
  }
}

/** Whether event id `a` (`<epoch>-<seq>`) comes after `b`; nothing comes before `0-0`. */
export function isAfter(a: string | undefined, b: string | undefined): boolean {
  const [epochA, seqA] = position(a);
  const [epochB, seqB] = position(b);
  return epochA === epochB ? seqA > seqB : epochA > epochB;
}

function position(id: string | undefined): [number, number] {
  const parts = /^(\d+)-(\d+)$/.exec(id ?? '');
  return parts ? [Number(parts[1]), Number(parts[2])] : [0, 0];
}

/** Reads an event stream (WHATWG) from pieces of its bytes. An event cut off by the end is dropped. */
export async function* parse(parts: AsyncIterable<Uint8Array>): AsyncGenerator<RawEvent> {
  let event: RawEvent = { name: 'message' };
  let data: string[] = [];
  for await (const line of lines(parts)) {
    if (line === '') {
      if (data.length > 0) event.data = data.join('\n');
      if (event.data !== undefined || event.retryMs !== undefined) yield event;
      event = { name: 'message' };
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event.name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) event.id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) event.retryMs = Number(value);
  }
}

async function* lines(parts: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let afterCr = false;
  for await (const part of parts) {
    let text = decoder.decode(part, { stream: true });
    if (text === '') continue;
    if (afterCr && text.startsWith('\n')) text = text.slice(1);
    afterCr = text.endsWith('\r') || (afterCr && text === '');
    const whole = (rest + text).split(/\r\n|\r|\n/);
    rest = whole.pop() ?? '';
    yield* whole;
  }
}
