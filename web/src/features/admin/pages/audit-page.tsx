/** Who did what, when, from where, and whether it worked. */
import { Card } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { accountQuery } from '../api/find-account';
import { type AuditFilters as Filters, auditQuery } from '../api/list-audit';
import { AdminPage } from '../components/admin-page';
import { AuditEntry } from '../components/audit/audit-entry';
import { AuditFilters } from '../components/audit/audit-filters';
import classes from '../components/audit/audit.module.css';
import { LoadMore } from '../components/load-more';
import { Loaded } from '../components/loaded';
import { RowsSkeleton } from '../components/rows-skeleton';
import { useStaying } from '../components/use-staying';

const route = getRouteApi(paths.adminAudit);

export function AuditPage() {
  const { t } = useTranslation('admin');
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const account = useQuery({ ...accountQuery(filters.user ?? ''), enabled: Boolean(filters.user) });
  const { id: user, fault } = account.data ?? {};
  const entries = useInfiniteQuery({
    ...auditQuery({ ...filters, user }),
    // Without the account that is meant, these would be the entries about everybody.
    enabled: !filters.user || Boolean(user),
  });
  const staying = useStaying();
  const filter = (next: Filters) => {
    if (staying()) void navigate({ search: next, replace: true, resetScroll: false });
  };
  return (
    <AdminPage title={t('audit.title')} lead={t('audit.lead')}>
      <AuditFilters filters={filters} userFault={fault && t(`audit.fault.${fault}`)} onChange={filter} />
      {account.error && !account.data && (
        <ProblemAlert error={account.error} onRetry={() => void account.refetch()} />
      )}
      {fault && <NoEntries />}
      {!fault && (account.data ?? !account.error) && (
        <Loaded
          query={filters.user && !user ? { ...entries, data: undefined } : entries}
          skeleton={<RowsSkeleton rows={10} />}
        >
          {({ pages }) => {
            const list = pages.flatMap(({ data }) => data);
            if (list.length === 0) return <NoEntries />;
            return (
              <>
                <Card padding={0}>
                  <ol className={classes.entries}>
                    {list.map((entry) => (
                      <AuditEntry key={entry.id} entry={entry} />
                    ))}
                  </ol>
                </Card>
                <LoadMore query={entries} />
              </>
            );
          }}
        </Loaded>
      )}
    </AdminPage>
  );
}

function NoEntries() {
  const { t } = useTranslation('admin');
  return (
    <EmptyState icon={<IconHistory />} title={t('audit.empty.title')}>
      {t('audit.empty.text')}
    </EmptyState>
  );
}
