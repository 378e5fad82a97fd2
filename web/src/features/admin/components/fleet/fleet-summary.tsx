/** The fleet in four numbers. */
import { Card, SimpleGrid, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Worker } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { useAmounts } from '../../format/use-amounts';

export function FleetSummary({ workers }: { workers: readonly Worker[] }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const amounts = useAmounts();
  const live = workers.filter(({ state }) => state !== 'lost');
  const sum = (of: (worker: Worker) => number) => live.reduce((total, worker) => total + of(worker), 0);
  const ready = new Set(live.flatMap(({ models }) => models.filter(isReady).map(({ id }) => id)));
  const used = amounts.memory(sum(({ memory }) => memory.used_bytes));
  const budget = amounts.memory(sum(({ memory }) => memory.budget_bytes));
  const numbers = [
    [t('fleet.active'), format.number(workers.filter(({ state }) => state === 'active').length)],
    [t('fleet.inHand'), format.number(sum(({ in_flight }) => in_flight))],
    [t('fleet.ready'), format.number(ready.size)],
    [t('fleet.memory'), used, t('fleet.of', { budget })],
  ] as const;
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md">
      {numbers.map(([label, value, more]) => (
        <Card key={label} padding="md">
          <Text size="sm" c="dimmed">
            {label}
          </Text>
          <Text fz={24} fw={650} className="tabular">
            {value}
            {more && (
              <>
                {' '}
                <Text span size="sm" fw={400} c="dimmed" display="inline-block">
                  {more}
                </Text>
              </>
            )}
          </Text>
        </Card>
      ))}
    </SimpleGrid>
  );
}

function isReady({ status }: { status: string }): boolean {
  return status === 'ready';
}
