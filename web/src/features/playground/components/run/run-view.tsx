/** A run: how far it is, what came of it, and what it took. Loaded with the first one. */
import { Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { Link } from '@/components/link';
import { paths } from '@/config/paths';
import { isFinal, type JobState } from '@/lib/job-stream/state';
import { useUser } from '@/lib/session';
import { JobFailure } from '../results/job-failure';
import { ResultView } from '../results/result-view';
import { Metrics } from './metrics';
import { RunWay } from './run-way';

interface RunViewProps {
  state: JobState;
  job: Job | undefined;
  input: Record<string, unknown>;
}

export default function RunView({ state, job, input }: RunViewProps) {
  const { t } = useTranslation('playground');
  const user = useUser();
  return (
    <Stack gap="lg">
      <RunWay state={state} />
      {job?.error && <JobFailure failure={job.error} />}
      <ResultView state={state} input={input} />
      {job && isFinal(job) && <Metrics job={job} />}
      {job && user && (
        <Link to={paths.job} params={{ id: job.id }} size="sm">
          {t('run.job')}
        </Link>
      )}
    </Stack>
  );
}
