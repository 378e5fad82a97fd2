/** The frame of the pages of an account: its parts as links, the content in the middle. */
import { Stack } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { paths } from '@/config/paths';
import classes from './account.module.css';

const parts = [
  { to: paths.account, label: 'profile' },
  { to: paths.security, label: 'security' },
  { to: paths.sessions, label: 'sessions' },
] as const;

interface AccountPageProps {
  part: (typeof parts)[number]['label'];
  children: ReactNode;
}

export function AccountPage({ part, children }: AccountPageProps) {
  const { t } = useTranslation('account');
  return (
    <Page title={t(`part.${part}.title`)} lead={t(`part.${part}.lead`)} size="sm">
      <nav className={classes.parts} aria-label={t('part.navigation')}>
        {parts.map(({ to, label }) => (
          <Link key={to} to={to} className={classes.part} activeOptions={{ exact: true }}>
            {t(`part.${label}.title`)}
          </Link>
        ))}
      </nav>
      <Stack gap="lg">{children}</Stack>
    </Page>
  );
}
