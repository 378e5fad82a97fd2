/** Where the link of the mail leads. Nothing happens until the button is pressed: scanners of mails open links too. */
import { Button, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { verifyAccount } from '@/api/generated';
import { Link, LinkButton } from '@/components/link';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useMutation } from '@/lib/use-mutation';
import { FormPage } from '../components/form-page';
import { useAlong } from '../components/use-along';
import { useFragmentToken } from '../components/use-fragment-token';
import { VerifyForm } from '../components/verify-form';

export function VerifyPage() {
  const { t } = useTranslation('account');
  const token = useFragmentToken();
  const { email = '', mailed } = useAlong();
  const verify = useMutation({ mutationFn: (link: string) => verifyAccount({ body: { token: link } }) });
  // Another link in the same tab begins anew.
  const tried = verify.variables === token;
  if (verify.isSuccess && tried) {
    return (
      <FormPage title={t('verify.done')} lead={t('verify.doneLead')}>
        <LinkButton to={paths.login} fullWidth>
          {t('login.submit')}
        </LinkButton>
      </FormPage>
    );
  }
  const byCode = token === '' || (verify.isError && tried);
  const leadCode = mailed ? t('verify.sent', { email }) : t('verify.leadCode');
  return (
    <FormPage
      title={t('verify.title')}
      lead={byCode ? leadCode : t('verify.lead')}
      footer={<Link to={paths.login}>{t('register.login')}</Link>}
    >
      <Stack gap="md">
        <ProblemAlert error={tried ? verify.error : null} />
        {byCode ? (
          <VerifyForm email={email} />
        ) : (
          <Button fullWidth loading={verify.isPending} onClick={() => verify.mutate(token)}>
            {t('verify.confirm')}
          </Button>
        )}
      </Stack>
    </FormPage>
  );
}
