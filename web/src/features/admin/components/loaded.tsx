/** What a question brought: its shape while it is on its way, the failure, or the answer. */
import { Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { ProblemAlert } from '@/components/problem-alert';

interface Asked<Data> {
  data: Data | undefined;
  error: unknown;
  refetch: () => unknown;
}

interface LoadedProps<Data> {
  query: Asked<Data>;
  skeleton: ReactNode;
  children: (data: Data) => ReactNode;
}

/** What was known stays on the page while a later answer does not come. */
export function Loaded<Data>({ query, skeleton, children }: LoadedProps<Data>) {
  const { data, error, refetch } = query;
  if (data === undefined) {
    return error ? <ProblemAlert error={error} onRetry={() => void refetch()} /> : skeleton;
  }
  return (
    <Stack gap="lg">
      {Boolean(error) && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {children(data)}
    </Stack>
  );
}
