/** The routes. Every page is loaded when it is first visited, together with its texts. */
import { createRouter } from '@tanstack/react-router';
import { PageLoader } from '@/components/page-loader';
import { NotFound } from './not-found';
import { RouteError } from './route-error';
import { accountRoutes } from './routes/account';
import { adminRoutes } from './routes/admin';
import { docsRoutes } from './routes/docs';
import { publicRoutes } from './routes/public';
import { rootRoute } from './routes/root';
import { workRoutes } from './routes/work';

const routeTree = rootRoute.addChildren([
  ...publicRoutes,
  ...accountRoutes,
  ...workRoutes,
  ...docsRoutes,
  ...adminRoutes,
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
  defaultPendingComponent: PageLoader,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
