/** What a call can throw. Not here: failures of the connection itself, which stay what `fetch` throws. */
import type { Job } from './generated/types.gen.js';

/** Everything this package throws by itself. */
export class LamplighterError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A field at fault: `{ pointer: '/input/texts/3', detail: '...' }`. */
export interface FieldError {
  pointer?: string;
  detail?: string;
  code?: string;
}

/** The members of problem+json this package reads. */
export interface ProblemBody {
  code?: string;
  title?: string;
  detail?: string;
  errors?: FieldError[] | null;
  request_id?: string;
}

/** The server refused a request. `code` is stable and meant for programs; `detail` is for people. */
export class ApiError extends LamplighterError {
  readonly code?: string;
  readonly detail?: string;
  readonly errors: FieldError[];
  readonly requestId?: string;

  constructor(
    readonly status: number,
    problem: ProblemBody,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfter?: number,
  ) {
    const errors = problem.errors ?? [];
    const fields = errors.map((error) => `\n  ${error.pointer ?? ''}: ${error.detail ?? ''}`).join('');
    super(`${status} ${problem.code ?? ''}: ${problem.detail ?? problem.title ?? 'no further detail'}${fields}`);
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = errors;
    this.requestId = problem.request_id;
  }

  /**
   * Whether the same request may succeed a little later. Not where the model is switched off: whoever did that has to
   * switch it on first.
   */
  get temporary(): boolean {
    if (this.code === 'model_unavailable') return false;
    return [429, 502, 503, 504].includes(this.status) || this.code === 'idempotency_in_flight';
  }

  /** From an answer and its parsed body; a proxy's HTML page becomes an error without a code. */
  static of(response: Response, body: unknown): ApiError {
    const problem = typeof body === 'object' && body !== null ? (body as ProblemBody) : {};
    const retryAfter = Number.parseFloat(response.headers.get('Retry-After') ?? '');
    return new ApiError(response.status, problem, Number.isNaN(retryAfter) ? undefined : retryAfter);
  }
}

/** The job ended without a result: `failed`, `canceled` or `expired`. */
export class JobFailed extends LamplighterError {
  constructor(readonly job: Job) {
    const reason = job.error ? `: ${job.error.type}: ${job.error.detail}` : '';
    super(`job ${job.id} ${job.status}${reason}`);
  }
}

/** The job had not ended in time. It goes on; `job` is how it was last seen. */
export class WaitTimeout extends LamplighterError {
  constructor(readonly job: Job) {
    super(`job ${job.id} is still ${job.status}`);
  }
}

/** The event stream could not be kept up. The job is not affected; `lastEventId` is where to resume. */
export class StreamLost extends LamplighterError {
  constructor(
    jobId: string,
    readonly lastEventId?: string,
  ) {
    super(`lost the event stream of job ${jobId} after event ${lastEventId ?? 'none'}`);
  }
}
