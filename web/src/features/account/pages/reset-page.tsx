/** Chooses a new password with the link of the mail. */
import { Button, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { resetPassword } from '@/api/generated';
import { Link, LinkButton } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useProblemForm } from '@/lib/problem-form';
import { useSessionChanged } from '@/lib/session';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { NewPassword } from '../components/new-password';
import { useChecks } from '../components/use-checks';
import { useFragmentToken } from '../components/use-fragment-token';

export function ResetPage() {
  const { t } = useTranslation('account');
  const token = useFragmentToken();
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { password: '' },
    validate: { password: checks.required },
  });
  const sessionChanged = useSessionChanged();
  const reset = useMutation({
    mutationFn: (body: { token: string; password: string }) => resetPassword({ body }),
    // Every login has ended with it, also the one of this browser.
    onSuccess: sessionChanged,
    onError: refuse,
  });
  const submit = form.onSubmit(({ password }) => {
    clear();
    reset.mutate({ token, password });
  });
  // Another link in the same tab begins anew.
  if (reset.isSuccess && reset.variables.token === token) {
    return (
      <FormPage title={t('reset.done')} lead={t('reset.doneLead')}>
        <LinkButton to={paths.login} state={{ again: true }} fullWidth>
          {t('login.submit')}
        </LinkButton>
      </FormPage>
    );
  }
  return (
    <FormPage
      title={t('reset.title')}
      lead={token ? t('reset.lead') : undefined}
      footer={<Link to={paths.forgot}>{t('reset.again')}</Link>}
    >
      {token === '' ? (
        <Text>{t('reset.noToken')}</Text>
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <ProblemAlert error={failure} />
            <NewPassword
              label={t('field.newPassword')}
              {...form.getInputProps('password')}
              value={form.values.password}
            />
            <Button type="submit" loading={reset.isPending} fullWidth>
              {t('reset.submit')}
            </Button>
          </Stack>
        </form>
      )}
    </FormPage>
  );
}
