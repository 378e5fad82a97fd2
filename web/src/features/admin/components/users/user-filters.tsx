/** Looks for accounts. What is chosen stands in the address of the page. */
import { Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { UserRole, UserStatus } from '@/api/generated';
import { plansQuery } from '../../api/list-plans';
import type { UserFilters as Filters } from '../../api/list-users';
import { statuses } from './user-status';

const TYPING_MS = 300;

interface UserFiltersProps {
  filters: Filters;
  onChange: (filters: Filters) => void;
}

export function UserFilters({ filters, onChange }: UserFiltersProps) {
  const { t } = useTranslation('admin');
  const plans = useQuery(plansQuery);
  const search = useDebouncedCallback((q: string) => onChange({ ...filters, q: q || undefined }), TYPING_MS);
  const any = { value: '', label: t('filter.any') };
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label={t('user.filters')}>
      <TextInput
        flex="1 1 220px"
        label={t('user.search')}
        placeholder={t('user.searchHint')}
        leftSection={<IconSearch size={16} />}
        type="search"
        defaultValue={filters.q ?? ''}
        onChange={(event) => search(event.currentTarget.value)}
      />
      <NativeSelect
        flex="1 1 140px"
        label={t('user.state')}
        data={[any, ...statuses.map((value) => ({ value, label: t(`user.status.${value}`) }))]}
        value={filters.status ?? ''}
        onChange={(event) =>
          onChange({ ...filters, status: (event.currentTarget.value || undefined) as UserStatus | undefined })
        }
      />
      <NativeSelect
        flex="1 1 130px"
        label={t('user.role')}
        data={[any, ...(['user', 'admin'] as const).map((value) => ({ value, label: t(`role.${value}`) }))]}
        value={filters.role ?? ''}
        onChange={(event) =>
          onChange({ ...filters, role: (event.currentTarget.value || undefined) as UserRole | undefined })
        }
      />
      <NativeSelect
        flex="1 1 130px"
        label={t('user.plan')}
        data={[any, ...(plans.data ?? []).map(({ name }) => ({ value: name, label: name }))]}
        value={filters.plan ?? ''}
        onChange={(event) => onChange({ ...filters, plan: event.currentTarget.value || undefined })}
      />
    </Group>
  );
}
