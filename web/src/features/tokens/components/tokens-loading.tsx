/** The shape of the list while it is on its way. */
import { Card, Group, Skeleton, Stack } from '@mantine/core';

const ROWS = 4;

export function TokensLoading() {
  return (
    <Stack gap="sm" aria-busy="true">
      <Skeleton height={36} width={220} />
      <Card>
        <Stack gap="lg">
          {Array.from({ length: ROWS }, (_, row) => (
            <Group key={row} justify="space-between" wrap="nowrap">
              <Stack gap={6}>
                <Skeleton height={14} width={160} />
                <Skeleton height={10} width={100} />
              </Stack>
              <Skeleton height={14} width={80} visibleFrom="sm" />
              <Skeleton height={20} width={100} />
            </Group>
          ))}
        </Stack>
      </Card>
    </Stack>
  );
}
