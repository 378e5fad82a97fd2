/** Administration; only for administrators. */
import { createRoute, lazyRouteComponent, redirect } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { paths } from '@/config/paths';
import { texts } from '@/lib/i18n';
import { requireAdmin } from '../guards';
import { rootRoute } from './root';

const loader = texts('admin');
const word = z.catch(z.optional(z.string()), undefined);

/** One of these, or nothing: an address from elsewhere is no reason for an error page. */
function oneOf<const Names extends readonly string[]>(names: Names) {
  return z.catch(z.optional(z.enum(names)), undefined);
}

const start = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.admin,
  beforeLoad: () => {
    throw redirect({ to: paths.adminFleet, replace: true });
  },
});

const fleet = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminFleet,
  beforeLoad: requireAdmin,
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/fleet-page'), 'FleetPage'),
});

const queues = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminQueues,
  beforeLoad: requireAdmin,
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/queues-page'), 'QueuesPage'),
});

const users = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminUsers,
  beforeLoad: requireAdmin,
  validateSearch: z.object({
    view: oneOf(['people', 'invitations']),
    q: word,
    status: oneOf(['active', 'waiting', 'unverified', 'disabled', 'deleting', 'guest']),
    role: oneOf(['user', 'admin']),
    plan: word,
  }),
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/users-page'), 'UsersPage'),
});

const user = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminUser,
  beforeLoad: requireAdmin,
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/user-page'), 'UserPage'),
});

const plans = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminPlans,
  beforeLoad: requireAdmin,
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/plans-page'), 'PlansPage'),
});

const audit = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminAudit,
  beforeLoad: requireAdmin,
  validateSearch: z.object({
    action: word,
    outcome: oneOf(['success', 'failure']),
    user: word,
    actor: word,
    since: word,
    until: word,
  }),
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/audit-page'), 'AuditPage'),
});

const outbox = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.adminOutbox,
  beforeLoad: requireAdmin,
  validateSearch: z.object({ state: oneOf(['queued', 'sent', 'dead']) }),
  loader,
  component: lazyRouteComponent(() => import('@/features/admin/pages/outbox-page'), 'OutboxPage'),
});

export const adminRoutes = [start, fleet, queues, users, user, plans, audit, outbox] as const;
