/** Says that the login has ended while one was here. The page stays, with what was written on it. */
import { Alert, Container, Group, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useLocation } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { LoginAgain } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useLoginEnded } from '@/lib/session';

export function LoginEnded() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  if (!useLoginEnded() || pathname === paths.login) return null;
  return (
    <Container size="lg" w="100%" pt="md" px={{ base: 'md', sm: 'lg' }}>
      <Alert color="amber" role="alert" icon={<IconLock />}>
        <Group gap="sm">
          <Text size="sm" c="var(--mantine-color-text)">
            {t('problem.loginEnded')}
          </Text>
          <LoginAgain />
        </Group>
      </Alert>
    </Container>
  );
}
