/** What waits for each model, how long, and how fast it is worked off. */
import { IconStack2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { queuesQuery } from '../api/list-queues';
import { AdminPage } from '../components/admin-page';
import { LiveMark } from '../components/live-mark';
import { Loaded } from '../components/loaded';
import { QueueTable } from '../components/queues/queue-table';
import { useDepths } from '../components/queues/use-depths';
import { RowsSkeleton } from '../components/rows-skeleton';

export function QueuesPage() {
  const { t } = useTranslation('admin');
  const queues = useQuery(queuesQuery);
  const depths = useDepths(queues.data, queues.dataUpdatedAt);
  return (
    <AdminPage
      title={t('queue.title')}
      lead={t('queue.lead')}
      actions={<LiveMark failing={queues.isError} />}
    >
      <Loaded query={queues} skeleton={<RowsSkeleton />}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState icon={<IconStack2 />} title={t('queue.empty.title')}>
              {t('queue.empty.text')}
            </EmptyState>
          ) : (
            <QueueTable queues={list} depths={depths} />
          )
        }
      </Loaded>
    </AdminPage>
  );
}
