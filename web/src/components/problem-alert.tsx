/** A failure in words, with the request's id to name when asking about it. */
import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useRouterState } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { paths } from '@/config/paths';
import { useMessageOf } from '@/lib/message-of';
import { isApiError } from '@/lib/problem';
import { LinkButton } from './link';

interface ProblemAlertProps {
  error: unknown;
  onRetry?: () => void;
}

export function ProblemAlert({ error, onRetry }: ProblemAlertProps) {
  const { t } = useTranslation();
  const messageOf = useMessageOf();
  if (!error) return null;
  const requestId = isApiError(error) ? error.requestId : undefined;
  return (
    <Alert color="red" role="alert" icon={<IconAlertTriangle />} title={t('problem.title')}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{messageOf(error)}</Text>
        <Group gap="sm">
          {onRetry && (
            <Button size="xs" variant="default" onClick={onRetry}>
              {t('action.retry')}
            </Button>
          )}
          {isApiError(error, 'login_too_old') && <LoginAgain />}
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

/** Some things need a login of the last minutes. */
function LoginAgain() {
  const { t } = useTranslation();
  const next = useRouterState({ select: ({ location }) => location.href });
  return (
    <LinkButton to={paths.login} search={{ next }} size="xs" variant="default">
      {t('problem.loginAgain')}
    </LinkButton>
  );
}
