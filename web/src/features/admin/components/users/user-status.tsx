/** How an account stands. */
import type { MantineColor } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { UserStatus } from '@/api/generated';
import { StateBadge } from '../state-badge';

export const statuses: readonly UserStatus[] = [
  'active',
  'waiting',
  'unverified',
  'disabled',
  'deleting',
  'guest',
];

const colors: Record<UserStatus, MantineColor> = {
  active: 'teal',
  waiting: 'yellow',
  unverified: 'gray',
  disabled: 'red',
  deleting: 'red',
  guest: 'blue',
};

export function UserStatusBadge({ status }: { status: UserStatus }) {
  const { t } = useTranslation('admin');
  return <StateBadge color={colors[status]}>{t(`user.status.${status}`)}</StateBadge>;
}
