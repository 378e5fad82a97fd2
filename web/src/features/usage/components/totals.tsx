/** The sums of the period. */
import { Group, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { UsageCounts } from '@/api/generated';
import { Figure } from '@/components/figure';
import { useFormat } from '@/lib/use-format';

export function Totals({ totals }: { totals: UsageCounts }) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  const figures: [name: string, value: string][] = [
    [t('total.requests'), format.number(totals.requests)],
    [t('total.succeeded'), totals.requests ? format.percent(totals.succeeded / totals.requests) : '–'],
    [t('total.tokens'), format.number(totals.tokens)],
    [t('total.compute'), format.duration(totals.compute_ms)],
  ];
  return (
    <Group component="dl" gap="xl" m={0}>
      {figures.map(([name, value]) => (
        <Stack key={name} gap={0}>
          <Figure name={name} value={value} />
        </Stack>
      ))}
    </Group>
  );
}
