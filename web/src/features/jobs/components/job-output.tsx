/** What the model gave: as it comes, then whole, or as far as it came; or why it did not. */
import { Alert, Progress, Skeleton, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Job, JobFailure } from '@/api/generated';
import { isFinal, type JobState } from '@/lib/job-stream/state';
import { useFormat } from '@/lib/use-format';
import { DataActions } from './data-actions';
import classes from './job-output.module.css';
import { JsonView } from '@/components/json/json-view';
import { Panel } from './panel';

export function JobOutput({ job, live }: { job: Job; live: JobState }) {
  const { t } = useTranslation('jobs');
  const actions = job.output && <DataActions name={`${job.id}-output.json`} value={job.output} />;
  return (
    <Panel title={t('section.output')} actions={actions}>
      {job.error && <Failure failure={job.error} />}
      {isFinal(job) ? <Result job={job} live={live} /> : <Coming job={job} live={live} />}
    </Panel>
  );
}

function Result({ job, live }: { job: Job; live: JobState }) {
  const { t } = useTranslation('jobs');
  if (job.output) return <JsonView value={job.output} label={t('section.output')} />;
  // It is kept nowhere else, so it stays as long as the page does.
  if (hasCome(live) && !job.data_removed) return <SoFar live={live} />;
  if (job.error) return null;
  return (
    <Text size="sm" c="dimmed">
      {job.data_removed ? t('job.removed') : t('output.none')}
    </Text>
  );
}

function Coming({ job, live }: { job: Job; live: JobState }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const { fraction, stage } = live.progress ?? job.progress ?? {};
  if (job.status === 'queued') {
    return (
      <Text size="sm" c="dimmed">
        {t('output.waiting')}
      </Text>
    );
  }
  return (
    <Stack gap="sm">
      {fraction !== undefined && (
        <Progress
          value={fraction * 100}
          aria-label={[format.percent(fraction, 0), stage].filter(Boolean).join(', ')}
        />
      )}
      {hasCome(live) ? (
        <SoFar live={live} />
      ) : (
        <>
          <Text size="sm" c="dimmed">
            {t('output.running')}
          </Text>
          <Skeleton height={64} />
        </>
      )}
    </Stack>
  );
}

function hasCome({ text, pieces }: JobState): boolean {
  return text !== '' || pieces.length > 0;
}

function SoFar({ live }: { live: JobState }) {
  const { t } = useTranslation('jobs');
  return (
    <Stack gap="sm">
      {live.text !== '' && <div className={classes.text}>{live.text}</div>}
      {live.pieces.length > 0 && <JsonView value={live.pieces} label={t('section.output')} />}
    </Stack>
  );
}

function Failure({ failure }: { failure: JobFailure }) {
  const { t } = useTranslation('jobs');
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={failure.title}>
      <Text size="sm">{failure.detail}</Text>
      {failure.retryable && (
        <Text size="sm" c="dimmed" mt={4}>
          {t('failure.retryable')}
        </Text>
      )}
    </Alert>
  );
}
