/** Changes the password; every other login ends. */
import { Button, Group, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { changePassword, type PasswordChange } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { notifySuccess } from '@/lib/notify';
import { isApiError } from '@/lib/problem';
import { useProblemForm } from '@/lib/problem-form';
import { useMutation } from '@/lib/use-mutation';
import { NewPassword } from './new-password';
import { PasswordField } from './password-field';
import { useChecks } from './use-checks';

export function PasswordForm({ email }: { email: string }) {
  const { t } = useTranslation('account');
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { current_password: '', new_password: '' },
    validate: { current_password: checks.required, new_password: checks.required },
  });
  const change = useMutation({
    mutationFn: (body: PasswordChange) => changePassword({ body }),
    onSuccess: () => {
      form.reset();
      notifySuccess(t('security.passwordChanged'));
    },
    onError: (error) => {
      // Only the one field can be meant.
      if (isApiError(error, 'wrong_credentials')) form.setFieldError('current_password', error.message);
      else refuse(error);
    },
  });
  const submit = form.onSubmit((body) => {
    clear();
    change.mutate(body);
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <ProblemAlert error={failure} />
        <PasswordField
          label={t('field.currentPassword')}
          autoComplete="current-password"
          {...form.getInputProps('current_password')}
        />
        <NewPassword
          label={t('field.newPassword')}
          personal={[email]}
          {...form.getInputProps('new_password')}
          value={form.values.new_password}
        />
        <Group>
          <Button type="submit" loading={change.isPending}>
            {t('security.changePassword')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
