/** The API tokens of an account: limit one, or end it. */
import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconKey } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { User, UserToken } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import { useFormat } from '@/lib/use-format';
import { userTokensQuery } from '../../api/list-user-tokens';
import { useRevokeUserToken } from '../../api/revoke-user-token';
import { useConfirm } from '../confirm';
import { type Column, DataTable } from '../data-table';
import { LoadMore } from '../load-more';
import { Loaded } from '../loaded';
import { RowsSkeleton } from '../rows-skeleton';
import { StateBadge } from '../state-badge';
import { TokenLimits } from './token-limits';
import { tokenState } from './token-state';

const colors = { active: 'teal', expired: 'gray', revoked: 'red' } as const;

export function UserTokens({ user }: { user: User }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const tokens = useInfiniteQuery(userTokensQuery(user.id));
  const revoke = useRevokeUserToken(user.id);
  const { ask, dialog } = useConfirm();
  const [limited, setLimited] = useState<UserToken>();
  const [opened, { open, close }] = useDisclosure();

  const askRevoke = (token: UserToken) =>
    ask({
      title: t('token.revoke.title', { name: token.name }),
      text: t('token.revoke.text'),
      action: t('token.revoke.action'),
      danger: true,
      done: t('token.revoke.done', { name: token.name }),
      run: () => revoke.mutateAsync(token.id),
    });
  const limit = (token: UserToken) => {
    setLimited(token);
    open();
  };

  const sayLimits = ({ plan, limits }: UserToken) => {
    const own = limits && Object.keys(limits).length > 0 ? t('token.own') : undefined;
    return [plan, own].filter(Boolean).join(t('comma')) || t('token.asPlan');
  };

  const columns: Column<UserToken>[] = [
    {
      key: 'name',
      label: t('token.name'),
      head: true,
      cell: (token) => (
        <Stack gap={0}>
          <Text inherit fw={600}>
            {token.name}
          </Text>
          <Text size="sm" c="dimmed">
            {token.scopes.join(', ')}
          </Text>
        </Stack>
      ),
    },
    {
      key: 'state',
      label: t('token.state'),
      cell: (token) => {
        const state = tokenState(token);
        return <StateBadge color={colors[state]}>{t(`token.status.${state}`)}</StateBadge>;
      },
    },
    { key: 'limits', label: t('token.limits'), cell: sayLimits },
    {
      key: 'used',
      label: t('token.used'),
      cell: ({ last_used_at }) => (last_used_at ? format.relative(last_used_at) : t('user.never')),
    },
    { key: 'expires', label: t('token.expires'), cell: ({ expires_at }) => format.date(expires_at) },
    {
      key: 'actions',
      label: t('actions'),
      actions: true,
      align: 'end',
      cell: (token) =>
        tokenState(token) === 'active' && (
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            <Button
              size="xs"
              variant="default"
              onClick={() => limit(token)}
              aria-label={t('token.limit.open', { name: token.name })}
            >
              {t('token.limits')}
            </Button>
            <Button
              size="xs"
              variant="default"
              c="var(--mantine-color-error)"
              onClick={() => askRevoke(token)}
              aria-label={t('token.revoke.open', { name: token.name })}
            >
              {t('token.revoke.action')}
            </Button>
          </Group>
        ),
    },
  ];

  return (
    <Stack gap="sm">
      <Title order={2} fz="lg">
        {t('token.title')}
      </Title>
      <Loaded query={tokens} skeleton={<RowsSkeleton rows={3} />}>
        {({ pages }) => {
          const list = pages.flatMap(({ data }) => data);
          if (list.length === 0) {
            return (
              <EmptyState icon={<IconKey />} title={t('token.empty.title')}>
                {t('token.empty.text')}
              </EmptyState>
            );
          }
          return (
            <>
              <DataTable label={t('token.title')} columns={columns} rows={list} rowKey={({ id }) => id} />
              <LoadMore query={tokens} />
            </>
          );
        }}
      </Loaded>
      {limited && (
        <TokenLimits key={limited.id} user={user} token={limited} opened={opened} onClose={close} />
      )}
      {dialog}
    </Stack>
  );
}
