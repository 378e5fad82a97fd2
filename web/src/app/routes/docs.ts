/** The guide for developers. */
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { paths } from '@/config/paths';
import { texts } from '@/lib/i18n';
import { rootRoute } from './root';

const guide = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.docs,
  validateSearch: z.object({ model: z.optional(z.string()), task: z.optional(z.string()) }),
  loader: texts('docs'),
  component: lazyRouteComponent(() => import('@/features/docs/pages/guide-page'), 'GuidePage'),
});

export const docsRoutes = [guide] as const;
