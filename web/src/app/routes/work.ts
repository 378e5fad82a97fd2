/** What one does with an account: jobs, what was used, and tokens. */
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { paths } from '@/config/paths';
import { texts } from '@/lib/i18n';
import { requireUser } from '../guards';
import { rootRoute } from './root';

// A word that an address brings and the page does not know is left out, not refused.
const word = z.catch(z.optional(z.string()), undefined);
const oneOf = <const T extends readonly string[]>(values: T) =>
  z.catch(z.optional(z.enum(values)), undefined);

const jobs = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.jobs,
  validateSearch: z.object({
    status: oneOf(['queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired']),
    model: word,
    task: word,
    cursor: word,
  }),
  beforeLoad: requireUser,
  loader: texts('jobs'),
  component: lazyRouteComponent(() => import('@/features/jobs/pages/jobs-page'), 'JobsPage'),
});

const job = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.job,
  beforeLoad: requireUser,
  loader: texts('jobs'),
  component: lazyRouteComponent(() => import('@/features/jobs/pages/job-page'), 'JobPage'),
});

const usage = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.usage,
  validateSearch: z.object({
    range: oneOf(['day', 'week', 'month', 'quarter']),
    measure: oneOf(['requests', 'tokens', 'compute']),
    by: oneOf(['model', 'token']),
    model: word,
    token: word,
  }),
  beforeLoad: requireUser,
  loader: texts('usage'),
  component: lazyRouteComponent(() => import('@/features/usage/pages/usage-page'), 'UsagePage'),
});

const tokens = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.tokens,
  beforeLoad: requireUser,
  loader: texts('tokens'),
  component: lazyRouteComponent(() => import('@/features/tokens/pages/tokens-page'), 'TokensPage'),
});

export const workRoutes = [jobs, job, usage, tokens] as const;
