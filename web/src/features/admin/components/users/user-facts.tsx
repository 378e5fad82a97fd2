/** What is known of an account. */
import { Card, Code, Group, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { User } from '@/api/generated';
import { CopyButton } from '@/components/copy-button';
import { isLanguage, languages } from '@/lib/languages';
import { useFormat } from '@/lib/use-format';
import { type Fact, Facts } from '../facts';

export function UserFacts({ user }: { user: User }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const when = (value: string | undefined) => (value ? format.date(value) : t('user.notYet'));
  const language = languages.find(({ code }) => isLanguage(user.locale) && code === user.locale);
  const facts: Fact[] = [
    [t('user.created'), format.date(user.created_at)],
    [t('user.verified'), when(user.verified_at)],
    [t('user.approved'), when(user.approved_at)],
    [t('user.lastLogin'), user.last_login_at ? format.date(user.last_login_at) : t('user.never')],
  ];
  if (user.last_login_address) facts.push([t('user.lastAddress'), user.last_login_address]);
  if (language) facts.push([t('user.language'), language.name]);
  facts.push([t('user.password'), t(user.has_password ? 'yes' : 'no')]);
  if (user.disabled_at) facts.push([t('user.disabledAt'), format.date(user.disabled_at)]);
  if (user.delete_at) facts.push([t('user.deleteAt'), format.date(user.delete_at)]);
  facts.push([
    t('user.id'),
    <Group key="id" gap={4} wrap="nowrap" justify="flex-end">
      <Code>{user.id}</Code>
      <CopyButton value={user.id} />
    </Group>,
  ]);
  return (
    <Card>
      <Title order={2} fz="lg" mb="xs">
        {t('user.facts')}
      </Title>
      <Facts facts={facts} />
    </Card>
  );
}
