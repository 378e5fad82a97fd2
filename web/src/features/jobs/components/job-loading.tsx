/** The shape of a job while it is on its way. */
import { Grid, Skeleton, Stack } from '@mantine/core';

export function JobLoading() {
  return (
    <Grid gap="lg" aria-busy="true">
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack gap="lg">
          <Skeleton height={260} radius="lg" />
          <Skeleton height={180} radius="lg" />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Stack gap="lg">
          <Skeleton height={240} radius="lg" />
          <Skeleton height={200} radius="lg" />
        </Stack>
      </Grid.Col>
    </Grid>
  );
}
