/** Name, language of mails, address. */
import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Account, AccountChanges, Locale } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { isLanguage, languages } from '@/lib/languages';
import { notifySuccess } from '@/lib/notify';
import { useProblemForm } from '@/lib/problem-form';
import { useUpdateAccount } from '../api/get-account';
import { useChecks } from './use-checks';

export function ProfileForm({ account }: { account: Account }) {
  const { t, i18n } = useTranslation('account');
  const checks = useChecks();
  const update = useUpdateAccount();
  const locale = isLanguage(account.locale) ? account.locale : (i18n.language as Locale);
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { display_name: account.display_name, email: account.email, locale },
    validate: { email: checks.email },
  });
  const submit = form.onSubmit((values) => {
    clear();
    const email = values.email.trim();
    const changes: AccountChanges = { display_name: values.display_name, locale: values.locale };
    if (email !== account.email) changes.email = email;
    update.mutate(changes, {
      onSuccess: () => {
        form.resetDirty();
        notifySuccess(changes.email ? t('profile.emailSent', { email }) : t('profile.saved'));
      },
      onError: refuse,
    });
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <ProblemAlert error={failure} />
        <TextInput
          label={t('field.name')}
          autoComplete="name"
          maxLength={100}
          {...form.getInputProps('display_name')}
        />
        <TextInput
          label={t('field.email')}
          description={t('profile.emailHint')}
          type="email"
          autoComplete="email"
          required
          {...form.getInputProps('email')}
        />
        <NativeSelect
          label={t('profile.locale')}
          data={languages.map(({ code, name }) => ({ value: code, label: name }))}
          {...form.getInputProps('locale')}
        />
        <Group justify="space-between">
          <Button type="submit" loading={update.isPending} disabled={!form.isDirty()}>
            {t('profile.save')}
          </Button>
          <Text size="sm" c="dimmed">
            {t('profile.plan', { plan: account.plan })}
          </Text>
        </Group>
      </Stack>
    </form>
  );
}
