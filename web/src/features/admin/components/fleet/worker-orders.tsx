/** The orders that make sense for a worker as it is. They hold for its name, over restarts. */
import { Button, Group } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay, IconTool } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Worker } from '@/api/generated';
import { useOrderWorker, type WorkerOrder } from '../../api/order-worker';
import { useConfirm } from '../confirm';

const icons = { drain: IconPlayerPause, maintenance: IconTool, resume: IconPlayerPlay } as const;

function ordersFor({ state }: Worker): readonly WorkerOrder[] {
  if (state === 'active') return ['drain', 'maintenance'];
  return state === 'maintenance' ? ['resume'] : ['resume', 'maintenance'];
}

export function WorkerOrders({ worker }: { worker: Worker }) {
  const { t } = useTranslation('admin');
  const order = useOrderWorker();
  const { ask, dialog } = useConfirm();
  const give = (name: WorkerOrder) =>
    ask({
      title: t(`worker.order.${name}.title`, { name: worker.name }),
      text: t(`worker.order.${name}.text`),
      action: t(`worker.order.${name}.action`),
      done: t(`worker.order.${name}.done`, { name: worker.name }),
      run: () => order.mutateAsync({ id: worker.id, order: name }),
    });
  return (
    <Group gap="sm">
      {ordersFor(worker).map((name) => {
        const Icon = icons[name];
        return (
          <Button
            key={name}
            size="xs"
            variant={name === 'resume' ? 'filled' : 'default'}
            leftSection={<Icon size={15} />}
            onClick={() => give(name)}
          >
            {t(`worker.order.${name}.action`)}
          </Button>
        );
      })}
      {dialog}
    </Group>
  );
}
