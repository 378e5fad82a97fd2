/** Who may enter a route; for `beforeLoad`. The server decides by itself, this only saves a detour. */
import { notFound, redirect } from '@tanstack/react-router';
import { paths } from '@/config/paths';
import { queryClient } from '@/lib/query-client';
import { sessionQuery } from '@/lib/session';

interface Context {
  location: { href: string };
}

async function userOrLogin({ location }: Context) {
  const session = await queryClient.query({ ...sessionQuery, staleTime: 'static' });
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
