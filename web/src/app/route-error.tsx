/** A page that could not be shown: its code, its texts or its data did not come, or it broke. */
import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { isMissedFile, reloadForNewFiles } from '@/lib/site-files';

export function RouteError({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const router = useRouter();
  useEffect(() => {
    // Where the server is away, what is shown here stays.
    if (isMissedFile(error)) reloadForNewFiles().catch(() => undefined);
  }, [error]);
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
