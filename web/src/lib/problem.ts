/** Failures of the API: problem+json (RFC 9457) as an error, and its faults by field. */
import * as z from 'zod/mini';

const fieldError = z.object({
  pointer: z.optional(z.string()),
  parameter: z.optional(z.string()),
  code: z.optional(z.string()),
  detail: z.string(),
});

const problem = z.object({
  code: z.optional(z.string()),
  title: z.optional(z.string()),
  detail: z.optional(z.string()),
  request_id: z.optional(z.string()),
  errors: z.nullish(z.array(fieldError)),
});

export type FieldError = z.infer<typeof fieldError>;

/** The server refused. `code` is stable and for programs, `message` is for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    message: string,
    readonly code?: string,
    readonly fields: FieldError[] = [],
    readonly requestId?: string,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** Whether the same request may succeed a little later. */
  get temporary(): boolean {
    if (this.code === 'model_unavailable') return false;
    return [429, 502, 503, 504].includes(this.status) || this.code === 'idempotency_in_flight';
  }

  /** Whether it was not the server that answered, but what stands before one that is away. */
  get isOfProxy(): boolean {
    return this.code === undefined && [502, 503, 504].includes(this.status);
  }

  /** From an answer and its body; a proxy's HTML page becomes an error without a code. */
  static of(response: Response, body: unknown): ApiError {
    const parsed = problem.safeParse(body);
    const { code, title, detail, errors, request_id } = parsed.success ? parsed.data : {};
    const wait = Number.parseFloat(response.headers.get('Retry-After') ?? '');
    return new ApiError(
      response.status,
      detail ?? title ?? `HTTP ${response.status}`,
      code,
      errors ?? [],
      request_id,
      Number.isNaN(wait) ? undefined : wait,
    );
  }
}

export function isApiError(error: unknown, code?: string): error is ApiError {
  return error instanceof ApiError && (code === undefined || error.code === code);
}

/** Faults by JSON pointer, the first of each. */
export function faultsByPointer(error: unknown): Record<string, string> {
  const faults: Record<string, string> = {};
  if (error instanceof ApiError) {
    for (const { pointer, detail } of error.fields) if (pointer) faults[pointer] ??= detail;
  }
  return faults;
}
