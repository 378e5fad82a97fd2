/** Name, language of mails, address. */
import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
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
  // Asked to confirm, and not confirmed as long as the account has the one of before. The server does not tell it later.
  const [asked, setAsked] = useState('');
  const waiting = asked !== account.email ? asked : '';
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { display_name: account.display_name, email: account.email, locale },
    validate: { email: checks.email },
  });
  const submit = form.onSubmit((values) => {
    clear();
    const email = values.email.trim();
    const changes: AccountChanges = {};
    if (form.isDirty('display_name')) changes.display_name = values.display_name;
    if (form.isDirty('locale')) changes.locale = values.locale;
    if (form.isDirty('email') && email !== account.email) changes.email = email;
    update.mutate(changes, {
      onSuccess: (saved) => {
        // The field has the address that counts; the one that waits is told below it.
        if (changes.email) setAsked(email);
        const shown = { ...values, display_name: saved.display_name, email: saved.email };
        form.setValues(shown);
        form.resetDirty(shown);
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
        {waiting && (
          <Text size="sm" role="status">
            {t('profile.waiting', { email: waiting })}
          </Text>
        )}
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
