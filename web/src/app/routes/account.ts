/** Registration, login, and what belongs to an account. */
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { paths } from '@/config/paths';
import { texts } from '@/lib/i18n';
import { requireGuest, requireUser } from '../guards';
import { rootRoute } from './root';

const loader = texts('account');

const login = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.login,
  validateSearch: z.object({ next: z.optional(z.string()) }),
  beforeLoad: requireGuest,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/login-page'), 'LoginPage'),
});

const register = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.register,
  validateSearch: z.object({ invitation: z.optional(z.string()) }),
  beforeLoad: requireGuest,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/register-page'), 'RegisterPage'),
});

const verify = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.verify,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/verify-page'), 'VerifyPage'),
});

const forgot = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.forgot,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/forgot-page'), 'ForgotPage'),
});

const reset = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.reset,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/reset-page'), 'ResetPage'),
});

const setup = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.setup,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/setup-page'), 'SetupPage'),
});

const profile = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.account,
  beforeLoad: requireUser,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/profile-page'), 'ProfilePage'),
});

const security = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.security,
  beforeLoad: requireUser,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/security-page'), 'SecurityPage'),
});

const sessions = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.sessions,
  beforeLoad: requireUser,
  loader,
  component: lazyRouteComponent(() => import('@/features/account/pages/sessions-page'), 'SessionsPage'),
});

export const accountRoutes = [
  login,
  register,
  verify,
  forgot,
  reset,
  setup,
  profile,
  security,
  sessions,
] as const;
