/** Who was invited, and by whom; new invitations. */
import { Button, Code, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconMailPlus } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Invitation } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import { useFormat } from '@/lib/use-format';
import { invitationsQuery } from '../../api/list-invitations';
import { useRevokeInvitation } from '../../api/revoke-invitation';
import { useConfirm } from '../confirm';
import { type Column, DataTable } from '../data-table';
import { LoadMore } from '../load-more';
import { Loaded } from '../loaded';
import { RowsSkeleton } from '../rows-skeleton';
import { StateBadge } from '../state-badge';
import { UserName } from '../user-name';
import { invitationState } from './invitation-state';
import { InviteDialog } from './invite-dialog';

const colors = { open: 'teal', used: 'blue', revoked: 'red', expired: 'gray' } as const;

export function Invitations() {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const invitations = useInfiniteQuery(invitationsQuery);
  const revoke = useRevokeInvitation();
  const { ask, dialog } = useConfirm();
  const [opened, { open, close }] = useDisclosure();
  const [times, setTimes] = useState(0);
  const invite = () => {
    setTimes(times + 1);
    open();
  };
  const askRevoke = (invitation: Invitation) =>
    ask({
      title: t('invitation.revoke.title'),
      text: t('invitation.revoke.text'),
      action: t('invitation.revoke.action'),
      danger: true,
      done: t('invitation.revoke.done'),
      run: () => revoke.mutateAsync(invitation.id),
    });

  const columns: Column<Invitation>[] = [
    {
      key: 'email',
      label: t('invitation.for'),
      head: true,
      cell: ({ id, email }) => (
        <Stack gap={0}>
          <Text inherit fw={600}>
            {email ?? t('invitation.anybody')}
          </Text>
          {!email && <Code bg="transparent">{id}</Code>}
        </Stack>
      ),
    },
    {
      key: 'state',
      label: t('token.state'),
      cell: (invitation) => {
        const state = invitationState(invitation);
        return <StateBadge color={colors[state]}>{t(`invitation.state.${state}`)}</StateBadge>;
      },
    },
    {
      key: 'role',
      label: t('user.role'),
      cell: ({ role }) => (role === 'admin' || role === 'user' ? t(`role.${role}`) : role),
    },
    { key: 'plan', label: t('user.plan'), cell: ({ plan }) => plan },
    {
      key: 'by',
      label: t('invitation.by'),
      cell: ({ created_by }) => (created_by ? <UserName id={created_by} /> : t('unknown')),
    },
    {
      key: 'until',
      label: t('invitation.until'),
      cell: ({ used_by, expires_at }) => (used_by ? <UserName id={used_by} /> : format.date(expires_at)),
    },
    {
      key: 'actions',
      label: t('actions'),
      actions: true,
      align: 'end',
      cell: (invitation) =>
        invitationState(invitation) === 'open' && (
          <Button
            size="xs"
            variant="default"
            c="var(--mantine-color-error)"
            onClick={() => askRevoke(invitation)}
          >
            {t('invitation.revoke.action')}
          </Button>
        ),
    },
  ];

  return (
    <Stack gap="lg">
      <Group justify="space-between" gap="sm">
        <Text c="dimmed" size="sm" maw={560}>
          {t('invitation.lead')}
        </Text>
        <Button leftSection={<IconMailPlus size={17} />} onClick={invite}>
          {t('invitation.new')}
        </Button>
      </Group>
      <Loaded query={invitations} skeleton={<RowsSkeleton rows={4} />}>
        {({ pages }) => {
          const list = pages.flatMap(({ data }) => data);
          if (list.length === 0) {
            return (
              <EmptyState icon={<IconMailPlus />} title={t('invitation.empty.title')}>
                {t('invitation.empty.text')}
              </EmptyState>
            );
          }
          return (
            <>
              <DataTable
                label={t('invitation.title')}
                columns={columns}
                rows={list}
                rowKey={({ id }) => id}
              />
              <LoadMore query={invitations} />
            </>
          );
        }}
      </Loaded>
      {times > 0 && <InviteDialog key={times} opened={opened} onClose={close} />}
      {dialog}
    </Stack>
  );
}
