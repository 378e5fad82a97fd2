/** Accounts, newest first. */
import { Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { User } from '@/api/generated';
import { Link } from '@/components/link';
import { paths } from '@/config/paths';
import { useFormat } from '@/lib/use-format';
import { type Column, DataTable } from '../data-table';
import { UserStatusBadge } from './user-status';

export function UserTable({ users }: { users: readonly User[] }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const columns: Column<User>[] = [
    {
      key: 'person',
      label: t('user.person'),
      head: true,
      cell: ({ id, email, display_name }) => (
        <Stack gap={0}>
          <Link to={paths.adminUser} params={{ id }} fw={600} inherit>
            {display_name || email}
          </Link>
          {display_name && (
            <Text size="sm" c="dimmed">
              {email}
            </Text>
          )}
        </Stack>
      ),
    },
    { key: 'status', label: t('user.state'), cell: ({ status }) => <UserStatusBadge status={status} /> },
    { key: 'role', label: t('user.role'), cell: ({ role }) => t(`role.${role}`) },
    { key: 'plan', label: t('user.plan'), cell: ({ plan }) => plan },
    {
      key: 'login',
      label: t('user.lastLogin'),
      cell: ({ last_login_at }) => (last_login_at ? format.relative(last_login_at) : t('user.never')),
    },
    { key: 'created', label: t('user.created'), cell: ({ created_at }) => format.date(created_at) },
  ];
  return <DataTable label={t('user.title')} columns={columns} rows={users} rowKey={({ id }) => id} />;
}
