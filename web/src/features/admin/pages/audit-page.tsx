/** Who did what, when, from where, and whether it worked. */
import { Card } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { paths } from '@/config/paths';
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
  const entries = useInfiniteQuery(auditQuery(filters));
  const staying = useStaying();
  const filter = (next: Filters) => {
    if (staying()) void navigate({ search: next, replace: true, resetScroll: false });
  };
  return (
    <AdminPage title={t('audit.title')} lead={t('audit.lead')}>
      <AuditFilters filters={filters} onChange={filter} />
      <Loaded query={entries} skeleton={<RowsSkeleton rows={10} />}>
        {({ pages }) => {
          const list = pages.flatMap(({ data }) => data);
          if (list.length === 0) {
            return (
              <EmptyState icon={<IconHistory />} title={t('audit.empty.title')}>
                {t('audit.empty.text')}
              </EmptyState>
            );
          }
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
    </AdminPage>
  );
}
