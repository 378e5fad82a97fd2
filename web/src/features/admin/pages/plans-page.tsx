/** What each plan allows, to see and to change. */
import { SimpleGrid, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { plansQuery } from '../api/list-plans';
import { AdminPage } from '../components/admin-page';
import { Loaded } from '../components/loaded';
import { PlanCard } from '../components/plans/plan-card';

export function PlansPage() {
  const { t } = useTranslation('admin');
  const plans = useQuery(plansQuery);
  return (
    <AdminPage title={t('plans.title')} lead={t('plans.lead')}>
      <Loaded query={plans} skeleton={<PlansSkeleton />}>
        {(list) => (
          <>
            <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
              {list.map((plan) => (
                <PlanCard key={plan.name} plan={plan} />
              ))}
            </SimpleGrid>
            {list.some(({ changed }) => changed.length > 0) && (
              <Text size="sm" c="dimmed">
                {t('plans.star')}
              </Text>
            )}
          </>
        )}
      </Loaded>
    </AdminPage>
  );
}

function PlansSkeleton() {
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md" aria-busy="true">
      {[0, 1, 2, 3].map((card) => (
        <Skeleton key={card} height={330} radius="lg" />
      ))}
    </SimpleGrid>
  );
}
