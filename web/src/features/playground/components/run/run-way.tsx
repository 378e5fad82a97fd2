/** How far a run has come, and whether we still hear of it. */
import { Alert, Progress } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { JobState } from '@/lib/job-stream/state';

export function RunWay({ state: { job, progress, connection } }: { state: JobState }) {
  const { t } = useTranslation('playground');
  return (
    <>
      {job?.status === 'processing' && (
        <Progress
          value={progress ? progress.fraction * 100 : 100}
          animated={!progress}
          striped={!progress}
          size="sm"
          aria-label={t('status.progress')}
        />
      )}
      {job && connection === 'lost' && (
        <Alert color="amber" variant="light" p="xs" icon={<IconPlugConnectedX size={18} />}>
          {t('status.reconnecting')}
        </Alert>
      )}
    </>
  );
}
