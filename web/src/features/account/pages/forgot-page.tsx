/** Asks for a mail with a link to choose a new password. */
import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { recoverAccount } from '@/api/generated';
import { Link } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useProblemForm } from '@/lib/problem-form';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { useChecks } from '../components/use-checks';

export function ForgotPage() {
  const { t } = useTranslation('account');
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { email: '' },
    validate: { email: checks.email },
  });
  const recover = useMutation({
    mutationFn: (email: string) => recoverAccount({ body: { email } }),
    onError: refuse,
  });
  const submit = form.onSubmit(({ email }) => {
    clear();
    recover.mutate(email.trim());
  });
  return (
    <FormPage
      title={t('forgot.title')}
      lead={recover.isSuccess ? undefined : t('forgot.lead')}
      footer={<Link to={paths.login}>{t('forgot.back')}</Link>}
    >
      {recover.isSuccess ? (
        <Text role="status">{t('forgot.sent', { email: recover.variables })}</Text>
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            <ProblemAlert error={failure} />
            <TextInput
              label={t('field.email')}
              type="email"
              autoComplete="username"
              required
              {...form.getInputProps('email')}
            />
            <Button type="submit" loading={recover.isPending} fullWidth>
              {t('forgot.submit')}
            </Button>
          </Stack>
        </form>
      )}
    </FormPage>
  );
}
