/** What opens the account, and its end. */
import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { accountQuery } from '../api/get-account';
import { AccountPage } from '../components/account-page';
import { DeleteAccount } from '../components/delete-account';
import { Identities } from '../components/identities';
import { PasswordForm } from '../components/password-form';
import { Section } from '../components/section';

export function SecurityPage() {
  const { t } = useTranslation('account');
  const { data: account, error, refetch } = useQuery(accountQuery);
  return (
    <AccountPage part="security">
      {error && !account && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {!account && !error && <Skeleton h={320} radius="lg" />}
      {account && (
        <>
          <Section title={t('security.password')} lead={t('security.passwordLead')}>
            {account.has_password ? (
              <PasswordForm email={account.email} />
            ) : (
              <Text size="sm">
                {t('security.noPassword')} <Link to={paths.forgot}>{t('security.setPassword')}</Link>
              </Text>
            )}
          </Section>
          <Identities identities={account.identities} />
          <DeleteAccount email={account.email} />
        </>
      )}
    </AccountPage>
  );
}
