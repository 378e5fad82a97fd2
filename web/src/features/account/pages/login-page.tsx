/** The way in. */
import { Alert, Button, Stack, TextInput } from '@mantine/core';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { createSession } from '@/api/generated';
import { Link } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { notifySuccess } from '@/lib/notify';
import { isApiError } from '@/lib/problem';
import { useProblemForm } from '@/lib/problem-form';
import { useSessionChanged } from '@/lib/session';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { ownPath } from '@/lib/own-path';
import { PasswordField } from '../components/password-field';
import { Providers } from '../components/providers';
import { useAlong } from '../components/use-along';
import { useChecks } from '../components/use-checks';
import { useProviderError } from '../components/use-provider-error';

const route = getRouteApi(paths.login);

export function LoginPage() {
  const { t } = useTranslation('account');
  const next = ownPath(route.useSearch().next) ?? paths.playground;
  return (
    <FormPage
      title={t('login.title')}
      footer={
        <>
          {t('login.new')} <Link to={paths.register}>{t('login.register')}</Link>
        </>
      }
    >
      <Stack gap="lg">
        <LoginForm next={next} />
        <Providers returnTo={next} />
      </Stack>
    </FormPage>
  );
}

function LoginForm({ next }: { next: string }) {
  const { t } = useTranslation('account');
  const checks = useChecks();
  const providerError = useProviderError();
  const login = useLogin(next);
  const { email = '' } = useAlong();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { email, password: '' },
    validate: { email: checks.email, password: checks.required },
  });
  const submit = form.onSubmit((body) => {
    clear();
    login.mutate(body, { onError: refuse });
  });
  const unverified = isApiError(failure, 'email_not_verified');
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {providerError && !failure && <Alert color="red">{providerError}</Alert>}
        <ProblemAlert error={failure} />
        {unverified && (
          <Link to={paths.verify} state={{ email: form.values.email.trim() }} size="sm">
            {t('login.verify')}
          </Link>
        )}
        <TextInput
          label={t('field.email')}
          type="email"
          autoComplete="username"
          required
          {...form.getInputProps('email')}
        />
        <div>
          <PasswordField
            label={t('field.password')}
            autoComplete="current-password"
            {...form.getInputProps('password')}
          />
          <Link to={paths.forgot} size="sm" display="inline-block" mt={6}>
            {t('login.forgot')}
          </Link>
        </div>
        <Button type="submit" loading={login.isPending} fullWidth>
          {t('login.submit')}
        </Button>
      </Stack>
    </form>
  );
}

function useLogin(next: string) {
  const { t } = useTranslation('account');
  const router = useRouter();
  const sessionChanged = useSessionChanged();
  const [pending, setPending] = useState(false);
  const mutation = useMutation({
    mutationFn: (body: { email: string; password: string }) => createSession({ body }),
    onSuccess: async (session) => {
      setPending(true);
      if (session.restored) notifySuccess(t('login.restored'));
      await sessionChanged();
      router.history.push(next);
    },
  });
  return { ...mutation, isPending: mutation.isPending || pending };
}
