/** A new account. The answer is the same for everybody; the mail tells the rest. */
import { Button, Stack, TextInput } from '@mantine/core';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { type NewAccount, registerAccount } from '@/api/generated';
import { Link } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { isLanguage } from '@/lib/languages';
import { isApiError } from '@/lib/problem';
import { useProblemForm } from '@/lib/problem-form';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { NewPassword } from '../components/new-password';
import { Providers } from '../components/providers';
import { useChecks } from '../components/use-checks';
import { useFragmentToken } from '../components/use-fragment-token';

const route = getRouteApi(paths.register);

export function RegisterPage() {
  const { t } = useTranslation('account');
  const navigate = useNavigate();
  const register = useMutation({
    mutationFn: (body: NewAccount) => registerAccount({ body }),
    // A page of its own, so that a reload does not lose the step.
    onSuccess: (_, { email }) => navigate({ to: paths.verify, state: { email, mailed: true } }),
  });
  // As the links of invitations have it, and as one may write it oneself.
  const token = useFragmentToken();
  const { invitation = token } = route.useSearch();
  return (
    <FormPage
      title={t('register.title')}
      lead={t('register.lead')}
      footer={
        <>
          {t('register.known')} <Link to={paths.login}>{t('register.login')}</Link>
        </>
      }
    >
      <Stack gap="lg">
        <RegisterForm key={invitation} register={register} invitation={invitation} />
        <Providers returnTo={paths.playground} />
      </Stack>
    </FormPage>
  );
}

interface RegisterFormProps {
  invitation: string;
  register: {
    isPending: boolean;
    mutate: (body: NewAccount, options: { onError: (error: unknown) => void }) => void;
  };
}

function RegisterForm({ register, invitation }: RegisterFormProps) {
  const { t, i18n } = useTranslation('account');
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { email: '', display_name: '', password: '', invitation },
    validate: { email: checks.email, password: checks.required },
  });
  const submit = form.onSubmit((values) => {
    clear();
    const body: NewAccount = { email: values.email.trim(), password: values.password };
    if (values.display_name) body.display_name = values.display_name;
    if (values.invitation) body.invitation = values.invitation;
    if (isLanguage(i18n.language)) body.locale = i18n.language;
    register.mutate(body, {
      onError: (error) =>
        // What is no good is the invitation: there is no other proof here.
        isApiError(error, 'proof_invalid') ? form.setFieldError('invitation', error.message) : refuse(error),
    });
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <ProblemAlert error={failure} />
        <TextInput
          label={t('field.email')}
          type="email"
          autoComplete="email"
          required
          {...form.getInputProps('email')}
        />
        <TextInput label={t('field.name')} autoComplete="name" {...form.getInputProps('display_name')} />
        <NewPassword
          label={t('field.password')}
          personal={[form.values.email, form.values.display_name]}
          {...form.getInputProps('password')}
          value={form.values.password}
        />
        {invitation && <TextInput label={t('field.invitation')} {...form.getInputProps('invitation')} />}
        <Button type="submit" loading={register.isPending} fullWidth>
          {t('register.submit')}
        </Button>
      </Stack>
    </form>
  );
}
