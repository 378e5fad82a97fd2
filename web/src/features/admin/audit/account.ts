/** Which account was typed into a filter: by its identifier, or by its e-mail address. */
import type { User } from '@/api/generated';

export type Account = { id: string; fault?: undefined } | { id?: undefined; fault: 'malformed' | 'unknown' };

/** As the server writes one; it refuses every other spelling. */
const ID = /^user_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** `search` gives the accounts with a text in their address or name. */
export async function findAccount(
  typed: string,
  search: (text: string) => Promise<readonly User[]>,
): Promise<Account> {
  // Whether there is such an account does not matter: the log has entries about those that are gone.
  if (ID.test(typed)) return { id: typed };
  if (!typed.includes('@')) return { fault: 'malformed' };
  const email = typed.toLowerCase();
  const user = (await search(typed)).find((found) => found.email.toLowerCase() === email);
  return user ? { id: user.id } : { fault: 'unknown' };
}
