/** Usage over time: as a chart, or in numbers. */
import { Button, Card, Group, SegmentedControl, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconChartBar, IconTable } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { UsageGroup } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import type { RangedUsage } from '../api/get-usage';
import { grainOf, stepsFrom } from '../series/range';
import { largest, type Measure, overTime, sharesOf } from '../series/series';
import { palette } from './colors';
import { Totals } from './totals';
import { useMeasure } from './use-measure';
import { useNames } from './use-names';
import { useStepName } from './use-step-name';
import { UsageTable } from './usage-table';

const UsageChart = lazy(async () => ({ default: (await import('./usage-chart')).UsageChart }));

interface OverTimeProps {
  usage: RangedUsage;
  measure: Measure;
  by: UsageGroup;
  onSplit: (by: UsageGroup) => void;
}

export function OverTime({ usage, measure, by, onSplit }: OverTimeProps) {
  const { range } = usage;
  const { t } = useTranslation('usage');
  const [inNumbers, setInNumbers] = useState(false);
  const format = useMeasure(measure);
  const nameOf = useNames(by);
  const stepName = useStepName(range);
  const shares = largest(sharesOf(usage.data, by, measure), palette.length);
  const steps = overTime(usage.data, by, measure, shares, stepsFrom(range, Date.parse(usage.from)));
  const sum = format(shares.reduce((all, { value }) => all + value, 0));
  const shown = { shares, steps, nameOf, stepName, format };
  return (
    <Card component="section" aria-labelledby="usage-over-time">
      <Stack gap="lg">
        <Group justify="space-between" gap="sm">
          <Title id="usage-over-time" order={2} fz="md">
            {grainOf(range) === 'hour' ? t('chart.hours') : t('chart.days')}
          </Title>
          <SegmentedControl
            size="xs"
            aria-label={t('chart.by')}
            value={by}
            onChange={(value) => onSplit(value)}
            data={[
              { value: 'model', label: t('chart.model') },
              { value: 'token', label: t('chart.token') },
            ]}
          />
        </Group>
        <Totals totals={usage.totals} />
        {shares.length === 0 && (
          <EmptyState icon={<IconChartBar />} title={t('empty.title')}>
            {t('empty.text')}
          </EmptyState>
        )}
        {shares.length > 0 && inNumbers && <UsageTable {...shown} />}
        {shares.length > 0 && !inNumbers && (
          <div role="img" aria-label={t('chart.label', { measure: t(`measure.${measure}`), total: sum })}>
            <Suspense fallback={<Skeleton height={280} />}>
              <UsageChart {...shown} />
            </Suspense>
          </div>
        )}
        <Group justify="space-between" gap="sm">
          <Text size="xs" c="dimmed">
            {t('chart.delayed')}
          </Text>
          {shares.length > 0 && (
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              leftSection={inNumbers ? <IconChartBar size={16} /> : <IconTable size={16} />}
              onClick={() => setInNumbers(!inNumbers)}
            >
              {inNumbers ? t('chart.chart') : t('chart.table')}
            </Button>
          )}
        </Group>
      </Stack>
    </Card>
  );
}
