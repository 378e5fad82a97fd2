/** What a run took. */
import { Group, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { CopyButton } from '@/components/copy-button';
import { Figure } from '@/components/figure';
import { useFormat } from '@/lib/use-format';
import classes from './run.module.css';

const DIGEST_SHOWN = 12;

export function Metrics({ job }: { job: Job }) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  const { metrics, version } = job;
  if (!metrics) return null;
  const times = [
    [t('metrics.queue'), metrics.queue_ms],
    [t('metrics.compute'), metrics.compute_ms],
    [t('metrics.total'), metrics.total_ms],
  ] as const;
  return (
    <dl className={classes.metrics}>
      {times.map(
        ([label, ms]) => ms !== undefined && <Metric key={label} label={label} value={format.duration(ms)} />,
      )}
      {metrics.batch_size !== undefined && (
        <Metric label={t('metrics.batch')} value={format.number(metrics.batch_size)} />
      )}
      {metrics.device && (
        <Metric label={t('metrics.device')} value={`${metrics.device} · ${metrics.dtype ?? ''}`} />
      )}
      {metrics.seed !== undefined && <Metric label={t('metrics.seed')} value={String(metrics.seed)} />}
      {version && (
        <Metric
          label={t('metrics.digest')}
          value={
            <Group gap={2} wrap="nowrap" component="span">
              <span title={version}>{version.slice(0, DIGEST_SHOWN)}</span>
              <CopyButton value={version} />
            </Group>
          }
        />
      )}
    </dl>
  );
}

function Metric({ label, value }: { label: string; value: ReactNode }) {
  return (
    <Stack gap={0}>
      <Figure name={label} value={value} size="sm" />
    </Stack>
  );
}
