/** Cancel while it goes; run again once it has ended. */
import { Button, Group } from '@mantine/core';
import { IconPencil, IconPlayerStop, IconRefresh } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { useAttempt } from '@/lib/attempt';
import { useCancelJob } from '@/lib/cancel-job';
import { isFinal } from '@/lib/job-stream/state';
import { useMessageOf } from '@/lib/message-of';
import { notifyFailure, notifySuccess } from '@/lib/notify';
import { useRetryJob } from '../api/retry-job';

export function JobActions({ job }: { job: Job }) {
  const { t } = useTranslation('jobs');
  const navigate = useNavigate();
  const messageOf = useMessageOf();
  const cancel = useCancelJob();
  const retry = useRetryJob(job.id);
  const attempt = useAttempt(job.id);
  const fail = (error: unknown) => notifyFailure(messageOf(error));

  const runAgain = () =>
    retry.mutate(attempt.key(), {
      onSettled: (_, error) => attempt.end(error),
      onSuccess: ({ id }) => {
        notifySuccess(t('job.retried'));
        void navigate({ to: paths.job, params: { id } });
      },
      onError: fail,
    });

  return (
    <Group gap="sm">
      {job.input && (
        <LinkButton
          variant="default"
          to={paths.playground}
          search={{ model: job.model, task: job.task, from: job.id }}
          leftSection={<IconPencil size={16} />}
        >
          {t('job.change')}
        </LinkButton>
      )}
      {isFinal(job) && !job.data_removed && (
        <Button leftSection={<IconRefresh size={16} />} loading={retry.isPending} onClick={runAgain}>
          {t('job.retry')}
        </Button>
      )}
      {!isFinal(job) && (
        <Button
          variant="default"
          leftSection={<IconPlayerStop size={16} />}
          disabled={Boolean(job.cancel_requested_at)}
          loading={cancel.isPending}
          onClick={() => cancel.mutate(job.id, { onError: fail })}
        >
          {t('job.cancel')}
        </Button>
      )}
    </Group>
  );
}
