/** The hand-written layer: run, submit, wait, stream. Everything else is in `generated`. */
import { ApiError, JobFailed, StreamLost, WaitTimeout } from './errors.js';
import { isAfter, type JobEvent, parse, typed } from './events.js';
import { type Client as Api, createClient } from './generated/client/index.js';
import { cancelJob, createJob, getJob } from './generated/sdk.gen.js';
import type { CreateJob, Job } from './generated/types.gen.js';

/** A model's input; a text stands for `{ text }`. */
export type Input = string | Record<string, unknown>;

/** Where the server is and who is asking. */
export interface ClientOptions {
  /** Address of the server. Else `LAMPLIGHTER_SERVER`, else `http://127.0.0.1:8080`. */
  server?: string;
  /** An API token. Else `LAMPLIGHTER_TOKEN`. */
  token?: string;
  /** How often a request that may be repeated is sent at most, and a stream reconnected in vain. Default 6. */
  attempts?: number;
}

/** The other members of a request, and how it is sent. */
export interface SubmitOptions extends Omit<CreateJob, 'model' | 'input'> {
  /** Makes the request safe to repeat over your own restarts too; one is made up when left out. */
  idempotencyKey?: string;
  /** Seconds (1 to 60) the server may keep the answer back if the job ends by then. */
  hold?: number;
}

/** As in `submit`, and how long to wait. */
export interface RunOptions extends SubmitOptions {
  /** Milliseconds after which `WaitTimeout` is thrown. Default: none. */
  timeoutMs?: number;
}

const TERMINAL = new Set<string>(['succeeded', 'failed', 'canceled', 'expired']);
// The server sends a comment every 15 s into a quiet stream: three missing ones mean the connection is dead.
const QUIET_MS = 45_000;
const LONGEST_PAUSE_MS = 5_000;

/** A connection to one server with one token. */
export class Client {
  /** For the generated operations, as in `listModels({ client: client.api })`; they throw `ApiError` too. */
  readonly api: Api;
  private readonly server: string;
  private readonly token: string;
  private readonly attempts: number;

  constructor(options: ClientOptions = {}) {
    const environment = globalThis.process?.env ?? {};
    const token = options.token ?? environment.LAMPLIGHTER_TOKEN;
    if (!token) throw new TypeError('a token is needed: pass { token } or set LAMPLIGHTER_TOKEN');
    this.token = token;
    this.server = (options.server ?? environment.LAMPLIGHTER_SERVER ?? 'http://127.0.0.1:8080').replace(/\/+$/, '');
    this.attempts = Math.max(1, options.attempts ?? 6);
    this.api = createClient({ baseUrl: this.server, auth: ({ scheme }) => (scheme === 'bearer' ? token : undefined), throwOnError: true });
    this.api.interceptors.error.use((error, response) => (response && !response.ok ? ApiError.of(response, error) : error));
  }

  /** Submits a job, waits for it and gives its output. Throws `JobFailed` when it ends otherwise. */
  async run(model: string, input: Input, options: RunOptions = {}): Promise<unknown> {
    const { timeoutMs, ...submit } = options;
    const started = performance.now();
    const hold = timeoutMs === undefined ? 30 : Math.min(30, Math.max(1, Math.floor(timeoutMs / 1000)));
    let job = await this.submit(model, input, { hold, ...submit });
    const left = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (performance.now() - started));
    job = await this.wait(job, { timeoutMs: left });
    if (job.status !== 'succeeded') throw new JobFailed(job);
    return job.output;
  }

  /** Submits a job and gives it as accepted. */
  async submit(model: string, input: Input, options: SubmitOptions = {}): Promise<Job> {
    const { idempotencyKey = crypto.randomUUID(), hold, ...fields } = options;
    const body: CreateJob = { model, input: typeof input === 'string' ? { text: input } : input, ...fields };
    const headers = { 'Idempotency-Key': idempotencyKey, ...(hold === undefined ? {} : { Prefer: `wait=${hold}` }) };
    const { data } = await this.again(() => createJob({ client: this.api, body, headers, throwOnError: true }));
    return data;
  }

  /** The job as it stands now. */
  async get(job: Job | string): Promise<Job> {
    const path = { id: idOf(job) };
    return (await this.again(() => getJob({ client: this.api, path, throwOnError: true }))).data;
  }

  /** Asks to cancel. A running job ends within about two seconds; see `wait`. */
  async cancel(job: Job | string): Promise<Job> {
    const path = { id: idOf(job) };
    return (await this.again(() => cancelJob({ client: this.api, path, throwOnError: true }))).data;
  }

  /** Polls until the job has ended, whatever way, and gives it. Throws `WaitTimeout` after `timeoutMs`. */
  async wait(job: Job | string, options: { timeoutMs?: number } = {}): Promise<Job> {
    const deadline = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    let pause = 50;
    for (let seen = await this.get(job); ; seen = await this.get(job)) {
      if (TERMINAL.has(seen.status)) return seen;
      const left = deadline - performance.now();
      if (left <= 0) throw new WaitTimeout(seen);
      await sleep(Math.min(pause, left));
      pause = Math.min(pause * 1.5, 1000);
    }
  }

  /**
   * The job's events until `done`, each once and in order, over as many connections as it takes.
   *
   * `after` is the `id` of the last event seen earlier. Throws `StreamLost` when no
   * connection brings anything for `attempts` tries, `ApiError` when the server refuses. Leaving the loop or
   * aborting `signal` closes the connection.
   */
  async *stream(job: Job | string, options: { after?: string; signal?: AbortSignal } = {}): AsyncGenerator<JobEvent> {
    const id = idOf(job);
    let last = options.after;
    let retryMs = 1000;
    for (let failures = 0; ; ) {
      try {
        for await (const raw of this.connect(id, last, options.signal)) {
          failures = 0;
          retryMs = raw.retryMs ?? retryMs;
          const event = typed(raw);
          if (!event) continue;
          if ((event.type === 'output' || event.type === 'progress') && !isAfter(raw.id, last)) continue;
          last = raw.id ?? last;
          yield event;
          if (event.type === 'done') return;
        }
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!isTemporary(error)) throw error;
      }
      if (++failures >= this.attempts) throw new StreamLost(id, last);
      await sleep(jitter(Math.min(retryMs * failures, LONGEST_PAUSE_MS)), options.signal);
    }
  }

  private async *connect(id: string, last: string | undefined, signal: AbortSignal | undefined) {
    const ending = new AbortController();
    const dead = () => ending.abort(new TypeError('the event stream went quiet'));
    let timer = setTimeout(dead, QUIET_MS);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(dead, QUIET_MS);
    };
    try {
      const response = await fetch(`${this.server}/v1/jobs/${encodeURIComponent(id)}/events`, {
        headers: {
          Accept: 'text/event-stream',
          Authorization: `Bearer ${this.token}`,
          ...(last === undefined ? {} : { 'Last-Event-ID': last }),
        },
        signal: signal ? AbortSignal.any([signal, ending.signal]) : ending.signal,
      });
      if (!response.ok || !response.body) throw ApiError.of(response, await response.json().catch(() => undefined));
      yield* parse(parts(response.body, alive));
    } finally {
      clearTimeout(timer);
      ending.abort();
    }
  }

  /** Sends, and sends again after a pause where that can help. Only for requests that may be repeated. */
  private async again<T>(send: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await send();
      } catch (error) {
        if (!isTemporary(error) || attempt >= this.attempts) throw error;
        const asked = error instanceof ApiError ? Math.min(error.retryAfter ?? 0, 30) * 1000 : 0;
        await sleep(Math.max(asked, jitter(Math.min(200 * 2 ** attempt, LONGEST_PAUSE_MS))));
      }
    }
  }
}

async function* parts(body: ReadableStream<Uint8Array>, alive: () => void): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    alive();
    yield part.value;
  }
}

// `fetch` throws a TypeError for every failure of the connection, also in the middle of a body.
function isTemporary(error: unknown): boolean {
  return error instanceof ApiError ? error.temporary : error instanceof TypeError;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}

function jitter(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

function idOf(job: Job | string): string {
  return typeof job === 'string' ? job : job.id;
}
