/** All accounts, and how to find one. */
import { Stack } from '@mantine/core';
import { IconUsers } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { type UserFilters as Filters, usersQuery } from '../../api/list-users';
import { LoadMore } from '../load-more';
import { Loaded } from '../loaded';
import { RowsSkeleton } from '../rows-skeleton';
import { UserFilters } from './user-filters';
import { UserTable } from './user-table';

interface PeopleProps {
  filters: Filters;
  onFilter: (filters: Filters) => void;
}

export function People({ filters, onFilter }: PeopleProps) {
  const { t } = useTranslation('admin');
  const users = useInfiniteQuery(usersQuery(filters));
  return (
    <Stack gap="lg">
      <UserFilters filters={filters} onChange={onFilter} />
      <Loaded query={users} skeleton={<RowsSkeleton rows={8} />}>
        {({ pages }) => {
          const list = pages.flatMap(({ data }) => data);
          if (list.length === 0) {
            return (
              <EmptyState icon={<IconUsers />} title={t('user.empty.title')}>
                {t('user.empty.text')}
              </EmptyState>
            );
          }
          return (
            <>
              <UserTable users={list} />
              <LoadMore query={users} />
            </>
          );
        }}
      </Loaded>
    </Stack>
  );
}
