/** The queues, the deepest first. */
import { Group, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Queue } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { useAmounts } from '../../format/use-amounts';
import { type Column, DataTable } from '../data-table';
import { DepthCurve } from './depth-curve';
import type { Depths } from './use-depths';

const priorities = ['high', 'normal', 'low'] as const;

export function QueueTable({ queues, depths }: { queues: readonly Queue[]; depths: Depths }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const amounts = useAmounts();
  const known = (value: number | undefined, text: (value: number) => string) =>
    value === undefined ? (
      <Text span c="dimmed" inherit aria-label={t('unknown')} children="–" />
    ) : (
      text(value)
    );
  const columns: Column<Queue>[] = [
    {
      key: 'model',
      label: t('queue.model'),
      head: true,
      cell: ({ model }) => (
        <Text inherit fw={600}>
          {model}
        </Text>
      ),
    },
    {
      key: 'depth',
      label: t('queue.depth'),
      cell: (queue) => (
        <Stack gap={0}>
          <Text inherit fw={600} className="tabular">
            {format.number(queue.depth)}
          </Text>
          {queue.depth > 0 && (
            <Group gap={8}>
              {priorities
                .filter((priority) => queue.depth_by_priority[priority] > 0)
                .map((priority) => (
                  <Text key={priority} size="xs" c="dimmed" className="tabular">
                    {t(`priority.${priority}`)} {format.number(queue.depth_by_priority[priority])}
                  </Text>
                ))}
            </Group>
          )}
        </Stack>
      ),
    },
    {
      key: 'curve',
      label: t('queue.course'),
      cell: ({ model }) => <DepthCurve depths={depths[model] ?? []} />,
    },
    {
      key: 'oldest',
      label: t('queue.oldest'),
      align: 'end',
      cell: ({ oldest_seconds }) => known(oldest_seconds, amounts.span),
    },
    {
      key: 'running',
      label: t('queue.inHand'),
      align: 'end',
      cell: ({ in_flight }) => format.number(in_flight),
    },
    {
      key: 'rate',
      label: t('queue.rate'),
      align: 'end',
      cell: ({ service_rate }) =>
        known(service_rate, (rate) => t('queue.aSecond', { rate: format.number(rate, 2) })),
    },
    {
      key: 'eta',
      label: t('queue.eta'),
      align: 'end',
      cell: ({ eta_seconds }) =>
        known(eta_seconds, (eta) => (eta < 1 ? t('queue.atOnce') : amounts.span(eta))),
    },
    {
      key: 'workers',
      label: t('queue.workers'),
      align: 'end',
      cell: ({ workers }) =>
        workers === 0 ? (
          <Text span inherit c="var(--mantine-color-error)" fw={600}>
            {t('queue.nobody')}
          </Text>
        ) : (
          format.number(workers)
        ),
    },
  ];
  const rows = queues.toSorted((a, b) => b.depth - a.depth || a.model.localeCompare(b.model));
  return <DataTable label={t('queue.title')} columns={columns} rows={rows} rowKey={({ model }) => model} />;
}
