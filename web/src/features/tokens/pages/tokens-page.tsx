/** Your API tokens: make them, see what they are used for, and end them. */
import { Button, Card, Center, SegmentedControl, Stack } from '@mantine/core';
import { IconKey, IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { useFocusReturn } from '@/lib/focus';
import { dailyUsageQuery } from '../api/daily-usage';
import { tokensQuery } from '../api/list-tokens';
import { CreateToken } from '../components/create-token';
import { DeleteToken, RevokeToken } from '../components/end-token';
import { RotateToken } from '../components/rotate-token';
import type { TokenAction } from '../components/token-menu';
import { TokenTable } from '../components/token-table';
import { TokensLoading } from '../components/tokens-loading';
import { UsageDrawer } from '../components/usage-drawer';
import { lastDays } from '../series/daily';

const DAYS = 30;

type Open = { action: 'create' } | { action: TokenAction; token: Token };

export function TokensPage() {
  const { t } = useTranslation('tokens');
  const [open, setOpen] = useState<Open>();
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } =
    useInfiniteQuery(tokensQuery);
  const close = () => setOpen(undefined);
  const create = (
    <Button leftSection={<IconPlus size={18} />} onClick={() => setOpen({ action: 'create' })}>
      {t('create')}
    </Button>
  );
  return (
    <Page title={t('title')} lead={t('lead')} actions={data?.length ? create : undefined}>
      <ProblemAlert error={error} onRetry={() => void refetch()} />
      {!data && !error && <TokensLoading />}
      {data?.length === 0 && (
        <Card>
          <EmptyState icon={<IconKey />} title={t('empty.title')}>
            <Stack align="center">
              {t('empty.text')}
              {create}
            </Stack>
          </EmptyState>
        </Card>
      )}
      {data && data.length > 0 && (
        <TokenLists tokens={data} onChoose={(action, token) => setOpen({ action, token })} />
      )}
      {hasNextPage && (
        <Center>
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {t('list.more')}
          </Button>
        </Center>
      )}
      {open && <Dialog open={open} onClose={close} />}
    </Page>
  );
}

interface TokenListsProps {
  tokens: readonly Token[];
  onChoose: (action: TokenAction, token: Token) => void;
}

function TokenLists({ tokens, onChoose }: TokenListsProps) {
  const { t } = useTranslation('tokens');
  const [now] = useState(Date.now);
  const [shown, setShown] = useState<'active' | 'ended'>('active');
  const { data: usage } = useQuery(dailyUsageQuery);
  const active = tokens.filter(({ status }) => status === 'active');
  const ended = tokens.filter(({ status }) => status !== 'active');
  const listed = shown === 'active' ? active : ended;
  const daysOf = (id: string) => lastDays(usage?.data.filter(({ token }) => token === id) ?? [], DAYS, now);
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label={t('list.show')}
        value={shown}
        onChange={(value) => setShown(value)}
        data={[
          { value: 'active', label: t('list.active', { count: active.length }) },
          { value: 'ended', label: t('list.ended', { count: ended.length }) },
        ]}
        style={{ alignSelf: 'flex-start' }}
      />
      <Card padding={0}>
        {listed.length > 0 ? (
          <TokenTable tokens={listed} daysOf={usage && daysOf} now={now} onChoose={onChoose} />
        ) : (
          <EmptyState
            icon={<IconKey />}
            title={shown === 'active' ? t('empty.noneActive') : t('empty.noneEnded')}
          >
            {shown === 'active' ? t('empty.noneActiveText') : t('empty.noneEndedText')}
          </EmptyState>
        )}
      </Card>
    </Stack>
  );
}

function Dialog({ open, onClose }: { open: Open; onClose: () => void }) {
  useFocusReturn(true);
  const [now] = useState(Date.now);
  switch (open.action) {
    case 'create':
      return <CreateToken onClose={onClose} />;
    case 'usage':
      return <UsageDrawer token={open.token} now={now} onClose={onClose} />;
    case 'rotate':
      return <RotateToken token={open.token} onClose={onClose} />;
    case 'revoke':
      return <RevokeToken token={open.token} onClose={onClose} />;
    case 'delete':
      return <DeleteToken token={open.token} onClose={onClose} />;
  }
}
