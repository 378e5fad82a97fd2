/** The shape of the page while its numbers are on their way. */
import { SimpleGrid, Skeleton, Stack } from '@mantine/core';

const METERS = 4;

export function UsageLoading() {
  return (
    <Stack gap="lg" aria-busy="true">
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing={{ base: 'xs', sm: 'md' }}>
        {Array.from({ length: METERS }, (_, index) => (
          <Skeleton key={index} height={118} radius="lg" />
        ))}
      </SimpleGrid>
      <Skeleton height={36} maw={420} />
      <Skeleton height={440} radius="lg" />
    </Stack>
  );
}
