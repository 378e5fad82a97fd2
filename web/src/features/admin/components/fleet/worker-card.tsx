/** One worker: what it computes on, what it has in memory and in hand, and the orders it can be given. */
import { Card, Group, Progress, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Worker } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { useAmounts } from '../../format/use-amounts';
import { Facts } from '../facts';
import { StateBadge } from '../state-badge';
import { workerColors } from './colors';
import classes from './fleet.module.css';
import { WorkerModels } from './worker-models';
import { WorkerOrders } from './worker-orders';

export function WorkerCard({ worker }: { worker: Worker }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const amounts = useAmounts();
  const { used_bytes: used, budget_bytes: budget } = worker.memory;
  const memory = t('fleet.memoryOf', { used: amounts.memory(used), budget: amounts.memory(budget) });
  const lost = worker.state === 'lost';
  return (
    <Card component="article" aria-label={worker.name}>
      <Stack gap="md">
        <Group justify="space-between" gap="sm" wrap="nowrap" align="flex-start">
          <Stack gap={2} miw={0}>
            <Title order={3} fz="lg" lineClamp={1}>
              {worker.name}
            </Title>
            <Text size="sm" c="dimmed">
              {worker.host} · {worker.device} · {worker.version}
            </Text>
          </Stack>
          <StateBadge color={workerColors[worker.state]}>{t(`worker.state.${worker.state}`)}</StateBadge>
        </Group>
        <div className={classes.body}>
          <Stack gap="md">
            <Stack gap={6}>
              <Group justify="space-between" gap="sm">
                <Text size="sm">{t('fleet.memory')}</Text>
                <Text size="sm" c="dimmed" className="tabular">
                  {memory}
                </Text>
              </Group>
              <Progress.Root>
                <Progress.Section
                  value={budget > 0 ? (100 * used) / budget : 0}
                  aria-label={t('fleet.memory')}
                  aria-valuetext={memory}
                />
              </Progress.Root>
            </Stack>
            <Facts
              facts={[
                [t('fleet.inHand'), format.number(worker.in_flight)],
                [t('worker.started'), format.relative(worker.started_at)],
                ...(lost ? [[t('worker.lastSeen'), format.relative(worker.last_seen_at)] as const] : []),
              ]}
            />
            {!lost && <WorkerOrders worker={worker} />}
          </Stack>
          <WorkerModels models={worker.models} />
        </div>
      </Stack>
    </Card>
  );
}
