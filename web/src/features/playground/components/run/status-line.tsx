/** Where a run stands: state, place in the queue, progress, and whether we still hear of it. */
import { Alert, Badge, Group, Progress, Stack, Text } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Job, JobStatus } from '@/api/generated';
import type { JobState } from '@/lib/job-stream/state';
import { useFormat } from '@/lib/use-format';

const COLORS: Record<JobStatus, string> = {
  queued: 'gray',
  processing: 'amber',
  succeeded: 'teal',
  failed: 'red',
  canceled: 'gray',
  expired: 'gray',
};

export function StatusLine({ state }: { state: JobState }) {
  const { t } = useTranslation('playground');
  const { job, progress } = state;
  const format = useFormat();
  const queue = useQueueText();
  if (!job) return null;
  const working = job.status === 'processing';
  return (
    <Stack gap="sm">
      <Group gap="sm" role="status">
        <Badge variant="light" color={COLORS[job.status]} size="lg" tt="none" fw={600}>
          {t(`status.${job.status}`)}
        </Badge>
        <Text size="sm" c="dimmed" className="tabular">
          {job.status === 'queued' && queue(job)}
          {working && progress?.stage}
          {working && progress && ` ${format.percent(progress.fraction, 0)}`}
        </Text>
      </Group>
      {working && (
        <Progress
          value={progress ? progress.fraction * 100 : 100}
          animated={!progress}
          striped={!progress}
          size="sm"
          aria-label={t('status.progress')}
        />
      )}
      {state.connection === 'lost' && (
        <Alert color="amber" variant="light" p="xs" icon={<IconPlugConnectedX size={18} />}>
          {t('status.reconnecting')}
        </Alert>
      )}
    </Stack>
  );
}

function useQueueText() {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return ({ queue }: Job): string => {
    if (!queue) return '';
    if (!queue.possible) return t('queue.impossible');
    const parts: string[] = [];
    if (queue.position !== undefined) {
      const key = queue.position_is_minimum ? 'queue.atLeast' : 'queue.ahead';
      parts.push(t(key, { count: queue.position }));
    }
    if (queue.eta_seconds !== undefined) {
      parts.push(t('queue.eta', { time: format.duration(queue.eta_seconds * 1000) }));
    }
    return parts.join(' · ');
  };
}
