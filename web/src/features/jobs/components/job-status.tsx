/** Where a job stands: a dot of a colour, and always a word. */
import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { isFinal } from '@/lib/job-stream/state';

const colors = {
  queued: 'gray',
  processing: 'blue',
  succeeded: 'teal',
  failed: 'red',
  canceled: 'gray.5',
  expired: 'orange',
} as const;

export function JobStatusBadge({ job, size = 'md' }: { job: Job; size?: 'md' | 'lg' }) {
  const { t } = useTranslation('jobs');
  const canceling = job.cancel_requested_at && !isFinal(job);
  return (
    <Badge
      component="span"
      variant="dot"
      color={colors[job.status]}
      tt="none"
      fw={500}
      miw="max-content"
      size={size}
    >
      {t(canceling ? 'status.canceling' : `status.${job.status}`)}
    </Badge>
  );
}
