/** Your jobs, newest first, as they go. */
import { Card, Stack } from '@mantine/core';
import { IconListDetails, IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { LinkButton } from '@/components/link';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { type JobFilter, jobsQuery } from '../api/list-jobs';
import { JobFilters } from '../components/job-filters';
import { JobTable } from '../components/job-table';
import { JobsLoading } from '../components/jobs-loading';
import { Pager } from '../components/pager';

const route = getRouteApi(paths.jobs);

export function JobsPage() {
  const { t } = useTranslation('jobs');
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch } = useQuery(jobsQuery(filter));
  // By the cursor of a page, the one of the page before it, wherever one came from; the first page has none.
  const [before, setBefore] = useState<ReadonlyMap<string, string | undefined>>(new Map());

  const show = (next: JobFilter) => void navigate({ search: next });
  const newer = () => show({ ...filter, cursor: filter.cursor && before.get(filter.cursor) });
  const older = () => {
    const cursor = data?.next_cursor;
    if (cursor) setBefore(new Map(before).set(cursor, filter.cursor));
    show({ ...filter, cursor });
  };
  const filtered = Boolean(filter.status ?? filter.model ?? filter.task);

  return (
    <Page
      title={t('title')}
      lead={t('lead')}
      actions={
        <LinkButton to={paths.playground} leftSection={<IconPlus size={18} />}>
          {t('new')}
        </LinkButton>
      }
    >
      <JobFilters filter={filter} onChange={(next) => show({ ...next, cursor: undefined })} />
      <ProblemAlert error={error} onRetry={() => void refetch()} />
      {!data && !error && <JobsLoading />}
      {data && (
        <Card padding={0}>
          {data.data.length > 0 ? <JobTable jobs={data.data} /> : <Nothing filtered={filtered} />}
        </Card>
      )}
      <Pager onNewer={filter.cursor ? newer : undefined} onOlder={data?.next_cursor ? older : undefined} />
    </Page>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation('jobs');
  return (
    <EmptyState icon={<IconListDetails />} title={filtered ? t('empty.filtered') : t('empty.title')}>
      {filtered ? (
        t('empty.filteredText')
      ) : (
        <Stack align="center">
          {t('empty.text')}
          <LinkButton to={paths.playground} variant="default">
            {t('empty.action')}
          </LinkButton>
        </Stack>
      )}
    </EmptyState>
  );
}
