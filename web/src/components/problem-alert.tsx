/** A failure in words, with the request's id to name when asking about it. */
import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useRouterState } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { paths } from '@/config/paths';
import { useMessageOf } from '@/lib/message-of';
import { isApiError } from '@/lib/problem';
import { useLoginEnded } from '@/lib/session';
import { LinkButton } from './link';

interface ProblemAlertProps {
  error: unknown;
  onRetry?: () => void;
}

export function ProblemAlert({ error, onRetry }: ProblemAlertProps) {
  const { t } = useTranslation();
  const messageOf = useMessageOf();
  const loginEnded = useLoginEnded() && isApiError(error, 'unauthorized');
  if (!error) return null;
  const requestId = isApiError(error) ? error.requestId : undefined;
  return (
    <Alert color="red" role="alert" icon={<IconAlertTriangle />} title={t('problem.title')}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{loginEnded ? t('problem.loginEnded') : messageOf(error)}</Text>
        <Group gap="sm">
          {onRetry && (
            <Button size="xs" variant="default" onClick={onRetry}>
              {t('action.retry')}
            </Button>
          )}
          {(loginEnded || isApiError(error, 'login_too_old')) && <LoginAgain />}
          {requestId && (
            <Text size="xs" c="dimmed">
              {t('problem.request')} <Code>{requestId}</Code>
            </Text>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** Some things need a login of the last minutes, and a login ends. It leads back to where one is. */
export function LoginAgain() {
  const { t } = useTranslation();
  const next = useRouterState({ select: ({ location }) => location.href });
  return (
    <LinkButton to={paths.login} search={{ next }} state={{ again: true }} size="xs" variant="default">
      {t('problem.loginAgain')}
    </LinkButton>
  );
}
