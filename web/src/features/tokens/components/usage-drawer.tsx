/** What was used with a token, and all that is known of it. */
import { Drawer, Group, Skeleton, Stack, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { LinkButton } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { tokenQuery } from '../api/get-token';
import classes from './title.module.css';
import { TokenDetails } from './token-details';
import { TokenStatus } from './token-status';
import { TokenUsed } from './token-used';

interface UsageDrawerProps {
  token: Token;
  now: number;
  onClose: () => void;
}

export function UsageDrawer({ token, now, onClose }: UsageDrawerProps) {
  const { t } = useTranslation(['tokens', 'common']);
  const { data, error, refetch } = useQuery(tokenQuery(token.id));
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="md"
      title={t('usage.title', { name: token.name })}
      classNames={classes}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      attributes={{ header: { role: 'presentation' } }}
    >
      <Stack gap="lg">
        <Group justify="space-between">
          <TokenStatus token={token} now={now} />
          <LinkButton to={paths.usage} search={{ token: token.id }} size="xs" variant="default">
            {t('usage.more')}
          </LinkButton>
        </Group>
        <ProblemAlert error={error} onRetry={() => void refetch()} />
        {!data && !error && (
          <Stack gap="md">
            <Skeleton height={120} radius="md" />
            <Skeleton height={90} radius="md" />
          </Stack>
        )}
        {data?.usage && <TokenUsed usage={data.usage} now={now} />}
        <Stack gap="xs">
          <Title order={3} fz="md">
            {t('usage.details')}
          </Title>
          <TokenDetails token={data ?? token} />
        </Stack>
      </Stack>
    </Drawer>
  );
}
