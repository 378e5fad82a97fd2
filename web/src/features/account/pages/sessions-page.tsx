/** Where one is logged in. */
import { Badge, Button, Group, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { SessionItem } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { useFormat } from '@/lib/use-format';
import { sessionsQuery, useEndOtherSessions, useEndSession } from '../api/list-sessions';
import { AccountPage } from '../components/account-page';
import classes from '../components/account.module.css';
import { browserName } from '../components/browser-name';
import { Section } from '../components/section';

export function SessionsPage() {
  const { t } = useTranslation('account');
  const { data: sessions, error, refetch } = useQuery(sessionsQuery);
  const end = useEndSession();
  const endOthers = useEndOtherSessions();
  const others = sessions?.some(({ current }) => !current);
  return (
    <AccountPage part="sessions">
      {error && !sessions && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      <ProblemAlert error={end.error ?? endOthers.error} />
      <Section title={t('sessions.title')}>
        {!sessions && <Skeleton h={120} />}
        <ul className={classes.sessions}>
          {sessions?.map((session) => (
            <SessionRow
              key={session.id}
              session={session}
              ending={end.isPending && end.variables === session.id}
              onEnd={() => end.mutate(session.id)}
            />
          ))}
        </ul>
        {others && (
          <Group>
            <Button
              variant="default"
              loading={endOthers.isPending}
              onClick={() => endOthers.mutate(undefined)}
            >
              {t('sessions.endOthers')}
            </Button>
          </Group>
        )}
      </Section>
    </AccountPage>
  );
}

interface SessionRowProps {
  session: SessionItem;
  ending: boolean;
  onEnd: () => void;
}

function SessionRow({ session, ending, onEnd }: SessionRowProps) {
  const { t } = useTranslation('account');
  const format = useFormat();
  return (
    <li className={classes.session}>
      <IconDeviceDesktop size={22} stroke={1.5} />
      <Stack gap={2} flex={1} miw={0}>
        <Group gap="xs">
          <Text fw={600}>{session.user_agent ? browserName(session.user_agent) : t('sessions.unknown')}</Text>
          {session.current && (
            <Badge variant="light" tt="none">
              {t('sessions.current')}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed" className="tabular">
          {session.address} · {t('sessions.used', { time: format.relative(session.last_used_at) })}
        </Text>
        <Text size="xs" c="dimmed" className="tabular">
          {t('sessions.since', { time: format.date(session.created_at) })}
        </Text>
      </Stack>
      {!session.current && (
        <Button variant="default" size="xs" loading={ending} onClick={onEnd}>
          {t('sessions.end')}
        </Button>
      )}
    </li>
  );
}
