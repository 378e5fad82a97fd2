/** What the server finds wrong with a new token, pointing at the fields of the form. */
import { ApiError } from '@/lib/problem';

/** Members of the request whose field has another name. */
const fields: Record<string, string> = { expires_in_seconds: 'expiry' };

/** `/scopes/0` is one of the field `scopes`. */
export function atFields(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const faults = error.fields.map(({ pointer, ...fault }) => ({ ...fault, pointer: fieldOf(pointer) }));
  return new ApiError(error.status, error.message, error.code, faults, error.requestId, error.retryAfter);
}

function fieldOf(pointer: string | undefined): string | undefined {
  if (pointer === undefined) return undefined;
  const [, member = ''] = pointer.split('/');
  return `/${fields[member] ?? member}`;
}
