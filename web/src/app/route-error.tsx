/** A page that could not be shown: its code, its texts or its data did not come, or it broke. */
import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';

export function RouteError({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Page title={t('problem.page')} size="sm">
      <ProblemAlert error={error} onRetry={retry} />
    </Page>
  );
}
