/** In words where a run stands: its state, its place in the queue, its stage. */
import { Badge, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job, JobStatus } from '@/api/generated';
import { stageBeside } from '@/lib/job-stream/stage';
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

export default function RunStatus({ state }: { state: JobState }) {
  const { t } = useTranslation('playground');
  const { job, progress } = state;
  const format = useFormat();
  const queue = useQueueText();
  if (!job) return null;
  const working = job.status === 'processing';
  return (
    <Group gap="sm">
      <Badge variant="light" color={COLORS[job.status]} size="lg" tt="none" fw={600}>
        {t(`status.${job.status}`)}
      </Badge>
      <Text size="sm" c="dimmed" className="tabular">
        {job.status === 'queued' && queue(job)}
        {working && stageBeside(t('status.processing'), progress?.stage)}
        {working && progress && ` ${format.percent(progress.fraction, 0)}`}
      </Text>
    </Group>
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
