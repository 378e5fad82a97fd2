/** The shape of the list while it is on its way. */
import { Card, Group, Skeleton, Stack } from '@mantine/core';

const ROWS = 6;

export function JobsLoading() {
  return (
    <Card aria-busy="true">
      <Stack gap="lg">
        {Array.from({ length: ROWS }, (_, row) => (
          <Group key={row} justify="space-between" wrap="nowrap">
            <Stack gap={6}>
              <Skeleton height={14} width={130} />
              <Skeleton height={10} width={90} />
            </Stack>
            <Skeleton height={22} width={96} radius="xl" />
            <Skeleton height={14} width={80} visibleFrom="sm" />
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
