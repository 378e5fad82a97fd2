/** The fleet: who computes, on what, and with which models. */
import { SimpleGrid, Skeleton, Stack, Title } from '@mantine/core';
import { IconServer } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { modelsQuery } from '@/lib/models';
import { workersQuery } from '../api/list-workers';
import { LIVE_MS } from '../api/live';
import { AdminPage } from '../components/admin-page';
import { FleetSummary } from '../components/fleet/fleet-summary';
import { ModelSwitches } from '../components/fleet/model-switches';
import { WorkerCard } from '../components/fleet/worker-card';
import { LiveMark } from '../components/live-mark';
import { Loaded } from '../components/loaded';
import { RowsSkeleton } from '../components/rows-skeleton';

export function FleetPage() {
  const { t } = useTranslation('admin');
  const workers = useQuery(workersQuery);
  // As often as the workers: the two lists tell of the same models, and shall agree.
  const models = useQuery({ ...modelsQuery, staleTime: LIVE_MS, refetchInterval: LIVE_MS });
  return (
    <AdminPage
      title={t('fleet.title')}
      lead={t('fleet.lead')}
      actions={<LiveMark failing={workers.isError} />}
    >
      <Loaded query={workers} skeleton={<FleetSkeleton />}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState icon={<IconServer />} title={t('fleet.empty.title')}>
              {t('fleet.empty.text')}
            </EmptyState>
          ) : (
            <>
              <FleetSummary workers={list} />
              <Stack gap="sm">
                <Title order={2} fz="xl">
                  {t('fleet.workers')}
                </Title>
                <SimpleGrid cols={{ base: 1, md: list.length > 1 ? 2 : 1 }} spacing="md">
                  {list.map((worker) => (
                    <WorkerCard key={worker.id} worker={worker} />
                  ))}
                </SimpleGrid>
              </Stack>
            </>
          )
        }
      </Loaded>
      <Stack gap="sm">
        <Title order={2} fz="xl">
          {t('fleet.models')}
        </Title>
        <Loaded query={models} skeleton={<RowsSkeleton />}>
          {(list) => <ModelSwitches models={list} />}
        </Loaded>
      </Stack>
    </AdminPage>
  );
}

function FleetSkeleton() {
  return (
    <Stack gap="lg" aria-busy="true">
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        {[0, 1, 2, 3].map((card) => (
          <Skeleton key={card} height={86} radius="lg" />
        ))}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Skeleton height={360} radius="lg" />
        <Skeleton height={360} radius="lg" visibleFrom="md" />
      </SimpleGrid>
    </Stack>
  );
}
