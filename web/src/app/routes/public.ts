/** Pages for everybody. */
import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { paths } from '@/config/paths';
import { texts } from '@/lib/i18n';
import { rootRoute } from './root';

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.home,
  loader: texts('home'),
  component: lazyRouteComponent(() => import('@/features/home/pages/home-page'), 'HomePage'),
});

const playground = createRoute({
  getParentRoute: () => rootRoute,
  path: paths.playground,
  validateSearch: z.object({
    model: z.optional(z.string()),
    task: z.optional(z.string()),
    // The job whose input it is.
    from: z.optional(z.string()),
  }),
  loader: texts('playground'),
  component: lazyRouteComponent(
    () => import('@/features/playground/pages/playground-page'),
    'PlaygroundPage',
  ),
});

export const publicRoutes = [home, playground] as const;
