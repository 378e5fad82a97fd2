/** A table on its way. */
import { Card, Skeleton, Stack } from '@mantine/core';

export function RowsSkeleton({ rows = 6 }: { rows?: number }) {
  return (
    <Card aria-busy="true">
      <Stack gap="lg">
        {Array.from({ length: rows }, (_, row) => (
          <Skeleton key={row} height={18} width={`${92 - ((row * 7) % 30)}%`} />
        ))}
      </Stack>
    </Card>
  );
}
