/** The six digits of the mail, for whoever reads it on another device; and another mail. */
import { Button, Stack, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { resendVerification, verifyAccount } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useMessageOf } from '@/lib/message-of';
import { notifyFailure, notifySuccess } from '@/lib/notify';
import { isApiError } from '@/lib/problem';
import { useProblemForm } from '@/lib/problem-form';
import { useMutation } from '@/lib/use-mutation';
import { digitsOf } from '../checks/checks';
import { useChecks } from './use-checks';

export function VerifyForm({ email }: { email: string }) {
  const { t } = useTranslation('account');
  const navigate = useNavigate();
  const messageOf = useMessageOf();
  const checks = useChecks();
  const { form, failure, refuse, clear } = useProblemForm({
    mode: 'controlled',
    initialValues: { email, code: '' },
    validate: { email: checks.email, code: checks.code },
  });
  const verify = useMutation({
    mutationFn: (body: { email: string; code: string }) => verifyAccount({ body }),
    onSuccess: (_, { email: verified }) => {
      notifySuccess(t('verify.done'));
      return navigate({ to: paths.login, state: { email: verified, again: true } });
    },
    // The server can't tell which of the two is wrong; it is the code, where the address came with the page.
    onError: (error) =>
      isApiError(error, 'proof_invalid') ? form.setFieldError('code', error.message) : refuse(error),
  });
  const resend = useMutation({
    mutationFn: (address: string) => resendVerification({ body: { email: address } }),
    onSuccess: () => notifySuccess(t('verify.resent')),
    onError: (error) => notifyFailure(messageOf(error)),
  });
  const submit = form.onSubmit((values) => {
    clear();
    verify.mutate({ email: values.email.trim(), code: digitsOf(values.code) });
  });
  const sendAgain = () => {
    if (!form.validateField('email').hasError) resend.mutate(form.values.email.trim());
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <ProblemAlert error={failure} />
        {!email && (
          <TextInput
            label={t('field.email')}
            type="email"
            autoComplete="email"
            required
            {...form.getInputProps('email')}
          />
        )}
        <TextInput
          label={t('verify.code')}
          description={t('verify.codeHint')}
          inputMode="numeric"
          autoComplete="one-time-code"
          required
          className="tabular"
          {...form.getInputProps('code')}
        />
        <Button type="submit" loading={verify.isPending} fullWidth>
          {t('verify.submit')}
        </Button>
        <Button variant="subtle" color="gray" loading={resend.isPending} onClick={sendAgain}>
          {t('verify.resend')}
        </Button>
      </Stack>
    </form>
  );
}
