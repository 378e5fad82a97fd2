/** What the server refused for want of a recent login, with the way there; anything else as it is. */
import { Alert, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { LinkButton } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { isApiError } from '@/lib/problem';

export function TokenProblem({ error }: { error: unknown }) {
  const { t } = useTranslation('tokens');
  if (!isApiError(error, 'login_too_old')) return <ProblemAlert error={error} />;
  return (
    <Alert color="amber" icon={<IconLock />} role="alert" title={t('login.title')}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm" c="var(--mantine-color-text)">
          {t('login.text')}
        </Text>
        <LinkButton size="xs" variant="default" to={paths.login} search={{ next: paths.tokens }}>
          {t('login.submit')}
        </LinkButton>
      </Stack>
    </Alert>
  );
}
