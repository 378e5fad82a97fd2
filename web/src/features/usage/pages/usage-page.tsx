/** What was used, by model, token and day; and what is left. */
import { SimpleGrid } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { usageQuery } from '../api/get-usage';
import { Allowances } from '../components/allowances';
import { OverTime } from '../components/over-time';
import { Shares } from '../components/shares';
import { UsageFilters } from '../components/usage-filters';
import { UsageLoading } from '../components/usage-loading';

const route = getRouteApi(paths.usage);

export function UsagePage() {
  const { t } = useTranslation('usage');
  const { range = 'month', measure = 'requests', by = 'model', model, token } = route.useSearch();
  const navigate = route.useNavigate();
  const change = (news: object) => {
    void navigate({ search: (search) => ({ ...search, ...news }), replace: true, resetScroll: false });
  };
  const filter = { range, model, token };
  const models = useQuery(usageQuery(filter, 'model'));
  const tokens = useQuery(usageQuery(filter, 'token'));
  const error = models.error ?? tokens.error;
  const shown = by === 'model' ? models.data : tokens.data;
  const retry = () => {
    void models.refetch();
    void tokens.refetch();
  };
  return (
    <Page title={t('title')} lead={t('lead')}>
      <ProblemAlert error={error} onRetry={retry} />
      {!models.data && !error && <UsageLoading />}
      {models.data && (
        <>
          <Allowances usage={models.data} />
          <UsageFilters view={{ range, measure, model, token }} onChange={change} />
          {shown && (
            <OverTime usage={shown} measure={measure} by={by} onSplit={(next) => change({ by: next })} />
          )}
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
            <Shares usage={models.data} by="model" measure={measure} />
            {tokens.data && <Shares usage={tokens.data} by="token" measure={measure} />}
          </SimpleGrid>
        </>
      )}
    </Page>
  );
}
