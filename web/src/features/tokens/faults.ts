/** What the server finds wrong with a new token, pointing at the fields of the form. */
import { movePointers } from '@/lib/problem';

/** Members of the request whose field has another name. */
const fields: Record<string, string> = { expires_in_seconds: 'expiry' };

/** `/scopes/0` is one of the field `scopes`. */
export function atFields(error: unknown): unknown {
  return movePointers(error, (pointer) => {
    const [, member = ''] = pointer.split('/');
    return `/${fields[member] ?? member}`;
  });
}
