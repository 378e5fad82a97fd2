/** The sums of the period. */
import { Group, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { UsageCounts } from '@/api/generated';
import { useFormat } from '@/lib/use-format';

export function Totals({ totals }: { totals: UsageCounts }) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  const figures = [
    [t('total.requests'), format.number(totals.requests)],
    [t('total.succeeded'), totals.requests ? format.percent(totals.succeeded / totals.requests) : '–'],
    [t('total.tokens'), format.number(totals.tokens)],
    [t('total.compute'), format.duration(totals.compute_ms)],
  ];
  return (
    <Group component="dl" gap="xl" m={0}>
      {figures.map(([name, value]) => (
        <Stack key={name} gap={0}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" m={0} fz="lg" fw={600} className="tabular">
            {value}
          </Text>
        </Stack>
      ))}
    </Group>
  );
}
