/** Who one is. */
import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { ProblemAlert } from '@/components/problem-alert';
import { useFormat } from '@/lib/use-format';
import { accountQuery } from '../api/get-account';
import { AccountPage } from '../components/account-page';
import { ProfileForm } from '../components/profile-form';
import { Section } from '../components/section';

export function ProfilePage() {
  const { t } = useTranslation('account');
  const format = useFormat();
  const { data: account, error, refetch } = useQuery(accountQuery);
  return (
    <AccountPage part="profile">
      {error && !account && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      <Section title={t('profile.title')}>
        {account ? <ProfileForm key={account.id} account={account} /> : <Skeleton h={260} />}
      </Section>
      {account?.last_login_at && (
        <Text size="sm" c="dimmed">
          {t('profile.lastLogin', {
            time: format.date(account.last_login_at),
            address: account.last_login_address ?? '–',
          })}
        </Text>
      )}
    </AccountPage>
  );
}
