/** Sets address and password of the first administrator, or of an account that was made on the server's machine. */
import { Button, Stack, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type SetUp, setUpAccount } from '@/api/generated';
import { LinkButton } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { isApiError } from '@/lib/problem';
import { useProblemForm } from '@/lib/problem-form';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { NewPassword } from '../components/new-password';
import { useChecks } from '../components/use-checks';
import { useFragmentToken } from '../components/use-fragment-token';

export function SetupPage() {
  const { t } = useTranslation('account');
  const token = useFragmentToken();
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { token, email: '', password: '' },
    validate: { token: checks.required, email: checks.email, password: checks.required },
  });
  const setUp = useMutation({
    mutationFn: (body: SetUp) => setUpAccount({ body }),
    // One that came with the link has no field.
    onError: (error) =>
      isApiError(error, 'proof_invalid') && !token
        ? form.setFieldError('token', t('setup.tokenWrong'))
        : refuse(error),
  });
  const submit = form.onSubmit((values) => {
    clear();
    setUp.mutate({ ...values, token: values.token.trim(), email: values.email.trim() });
  });
  if (setUp.isSuccess) {
    return (
      <FormPage title={t('setup.done')} lead={t('setup.doneLead')}>
        <LinkButton to={paths.login} state={{ again: true }} fullWidth>
          {t('login.submit')}
        </LinkButton>
      </FormPage>
    );
  }
  return (
    <FormPage title={t('setup.title')} lead={t('setup.lead')}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <ProblemAlert error={failure} />
          {!token && (
            <TextInput
              label={t('setup.token')}
              description={t('setup.tokenHint')}
              autoComplete="off"
              required
              {...form.getInputProps('token')}
            />
          )}
          <TextInput
            label={t('field.email')}
            type="email"
            autoComplete="email"
            required
            {...form.getInputProps('email')}
          />
          <NewPassword
            label={t('field.password')}
            personal={[form.values.email]}
            {...form.getInputProps('password')}
            value={form.values.password}
          />
          <Button type="submit" loading={setUp.isPending} fullWidth>
            {t('setup.submit')}
          </Button>
        </Stack>
      </form>
    </FormPage>
  );
}
