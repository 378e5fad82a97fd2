/** Who may enter a route; for `beforeLoad`. The server decides by itself, this only saves a detour. */
import { notFound, redirect } from '@tanstack/react-router';
import { paths } from '@/config/paths';
import { ownPath } from '@/lib/own-path';
import { alongOf } from '@/lib/history-state';
import { queryClient } from '@/lib/query-client';
import { sessionQuery } from '@/lib/session';

/** Pointing at several links asks once. */
const GUEST_MS = 2_000;

interface Context {
  location: { href: string };
}

function currentSession() {
  // A login that has ended since is told by whatever is asked for next (`noteFailure`); one that has begun in another tab
  // is not, so a guest is looked at anew.
  const known = queryClient.getQueryData(sessionQuery.queryKey);
  return queryClient.query({ ...sessionQuery, staleTime: known ? 'static' : GUEST_MS });
}

async function userOrLogin({ location }: Context) {
  const session = await currentSession();
  if (!session) throw redirect({ to: paths.login, search: { next: location.href } });
  return session.user;
}

export async function requireUser(context: Context) {
  await userOrLogin(context);
}

export async function requireAdmin(context: Context) {
  const user = await userOrLogin(context);
  if (user.role !== 'admin') throw notFound();
}

interface Entry {
  cause: 'preload' | 'enter' | 'stay';
  location: { hash: string; state: unknown };
  search: object;
}

/** For the ways in: they lead on whoever is in already. */
export async function requireGuest({ cause, location, search }: Entry) {
  // Somebody who has just come in is led on by the page itself, and what it was opened with may be taken out of its address.
  if (cause === 'stay') return;
  // The failure of a login elsewhere is told there (`useProviderError`), also of one that was to be linked. An invitation is
  // for an account that is not there yet.
  if (/^(error|token)=/.test(location.hash) || 'invitation' in search || alongOf(location.state).again)
    return;
  // Where it can't be known, the form is there.
  const session = await currentSession().catch(() => null);
  if (!session) return;
  const next = 'next' in search ? ownPath(String(search.next)) : undefined;
  throw redirect({ href: next ?? paths.playground, replace: true });
}
