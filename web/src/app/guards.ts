/** Who may enter a route; for `beforeLoad`. The server decides by itself, this only saves a detour. */
import { notFound, redirect } from '@tanstack/react-router';
import { paths } from '@/config/paths';
import { queryClient } from '@/lib/query-client';
import { sessionQuery } from '@/lib/session';

/** Pointing at several links asks once. */
const GUEST_MS = 2_000;

interface Context {
  location: { href: string };
}

async function userOrLogin({ location }: Context) {
  // A login that has ended since is told by whatever is asked for next (`noteFailure`); one that has begun in another tab
  // is not, so a guest is looked at anew.
  const known = queryClient.getQueryData(sessionQuery.queryKey);
  const session = await queryClient.query({ ...sessionQuery, staleTime: known ? 'static' : GUEST_MS });
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
