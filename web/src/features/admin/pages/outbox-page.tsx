/** The outbox: what is to be mailed, what was, and what was given up. */
import { SegmentedControl } from '@mantine/core';
import { IconMail } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { OutboxState } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import { paths } from '@/config/paths';
import { mailsQuery } from '../api/list-mails';
import { AdminPage } from '../components/admin-page';
import { LiveMark } from '../components/live-mark';
import { LoadMore } from '../components/load-more';
import { Loaded } from '../components/loaded';
import { MailTable } from '../components/outbox/mail-table';
import { RowsSkeleton } from '../components/rows-skeleton';

const route = getRouteApi(paths.adminOutbox);
const states = ['queued', 'sent', 'dead'] as const;

export function OutboxPage() {
  const { t } = useTranslation('admin');
  const { state } = route.useSearch();
  const navigate = route.useNavigate();
  const mails = useInfiniteQuery(mailsQuery(state));
  const choose = (next: string) =>
    void navigate({
      search: next === 'all' ? {} : { state: next as OutboxState },
      replace: true,
      resetScroll: false,
    });
  return (
    <AdminPage title={t('mail.title')} lead={t('mail.lead')} actions={<LiveMark failing={mails.isError} />}>
      <SegmentedControl
        aria-label={t('mail.filter')}
        w={{ base: '100%', sm: 'fit-content' }}
        value={state ?? 'all'}
        onChange={choose}
        data={[
          { value: 'all', label: t('mail.all') },
          ...states.map((value) => ({ value, label: t(`mail.state.${value}`) })),
        ]}
      />
      <Loaded query={mails} skeleton={<RowsSkeleton />}>
        {({ pages }) => {
          const list = pages.flatMap(({ data }) => data);
          if (list.length === 0) {
            return (
              <EmptyState
                icon={<IconMail />}
                title={t(state === 'dead' ? 'mail.empty.dead' : 'mail.empty.title')}
              >
                {t('mail.empty.text')}
              </EmptyState>
            );
          }
          return (
            <>
              <MailTable mails={list} />
              <LoadMore query={mails} />
            </>
          );
        }}
      </Loaded>
    </AdminPage>
  );
}
