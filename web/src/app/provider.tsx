/** What every page may use: theme, server state, notifications; and what is shown until texts are there. */
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useEffect } from 'react';
import { PageLoader } from '@/components/page-loader';
import { aheadAtRest } from '@/lib/ahead';
import { styleNonce } from '@/lib/nonce';
import { useNotified } from '@/lib/notify';
import { queryClient } from '@/lib/query-client';
import { cssVariables, theme } from './theme/theme';

const loadNotifications = () => import('./notifications');
// Messages that don't come must not take the page along.
const Notifications = lazy(async (): Promise<{ default: () => ReactNode }> => {
  try {
    return { default: (await loadNotifications()).AppNotifications };
  } catch {
    return { default: () => null };
  }
});

export function Provider({ children }: { children: ReactNode }) {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      getStyleNonce={styleNonce}
    >
      <Messages />
      <QueryClientProvider client={queryClient}>
        <Suspense fallback={<PageLoader />}>{children}</Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}

function Messages() {
  useEffect(() => aheadAtRest(loadNotifications), []);
  return useNotified() ? (
    <Suspense>
      <Notifications />
    </Suspense>
  ) : null;
}
