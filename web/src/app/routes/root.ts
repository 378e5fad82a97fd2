/** The root of all routes. */
import { createRootRoute } from '@tanstack/react-router';
import { Shell } from '../shell/shell';

export const rootRoute = createRootRoute({ component: Shell });
