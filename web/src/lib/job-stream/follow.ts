/** Follows a job to its end over as many connections as it takes: each event once and in order. */
import { i18n } from '../i18n';
import { ApiError } from '../problem';
import { noteFailure } from '../session';
import { isAfter, type JobEvent, typedEvent } from './events';
import { parseEvents, type RawEvent } from './sse';

/** The state of the connection, between the events. */
export interface Connection {
  type: 'connection';
  state: 'open' | 'lost';
}

// The server sends a comment every 15 s into a quiet stream: three missing ones mean the connection is dead.
const QUIET_MS = 45_000;
/** Until the server says (`retry`) how long to wait. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** Opens one connection; replaced in tests. */
export type Connect = (id: string, after: string | undefined, signal: AbortSignal) => AsyncIterable<RawEvent>;

/**
 * Ends after `done`. Throws `ApiError` where asking again can't help (the job is gone, the login has ended), and what
 * `signal` was aborted with.
 */
export async function* followJob(
  id: string,
  signal: AbortSignal,
  connect: Connect = openStream,
): AsyncGenerator<JobEvent | Connection> {
  let last: string | undefined;
  let first = FIRST_PAUSE_MS;
  let pause = first;
  for (;;) {
    try {
      let open = false;
      for await (const raw of connect(id, last, signal)) {
        if (!open) yield { type: 'connection', state: 'open' };
        open = true;
        first = Math.min(raw.retryMs ?? first, LONGEST_PAUSE_MS);
        pause = first;
        const event = typedEvent(raw);
        if (!event || isOld(event, raw.id, last)) continue;
        last = raw.id ?? last;
        yield event;
        if (event.type === 'done') return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error)) throw error;
      if (error instanceof ApiError && error.retryAfter) pause = Math.max(pause, error.retryAfter * 1000);
    }
    yield { type: 'connection', state: 'lost' };
    await sleep(jitter(pause), signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

function isOld(event: JobEvent, id: string | undefined, last: string | undefined): boolean {
  return (event.type === 'output' || event.type === 'progress') && !isAfter(id, last);
}

// `fetch` throws a TypeError for every failure of the connection, also in the middle of a body.
function isTemporary(error: unknown): boolean {
  return error instanceof ApiError ? error.temporary || error.status >= 500 : error instanceof TypeError;
}

async function* openStream(id: string, after: string | undefined, signal: AbortSignal) {
  const ending = new AbortController();
  const dead = () => ending.abort(new TypeError('the event stream went quiet'));
  let timer = setTimeout(dead, QUIET_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(dead, QUIET_MS);
  };
  const headers: Record<string, string> = { Accept: 'text/event-stream', 'Accept-Language': i18n.language };
  if (after !== undefined) headers['Last-Event-ID'] = after;
  try {
    const response = await fetch(`/v1/jobs/${encodeURIComponent(id)}/events`, {
      headers,
      credentials: 'same-origin',
      signal: AbortSignal.any([signal, ending.signal]),
    });
    if (!response.ok || !response.body) {
      const failure = ApiError.of(response, await response.json().catch(() => undefined));
      noteFailure(failure);
      throw failure;
    }
    yield* parseEvents(pieces(response.body, alive));
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}

async function* pieces(body: ReadableStream<Uint8Array>, alive: () => void) {
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    alive();
    yield part.value;
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}

function jitter(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
