/** What else is known of a job. */
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { Fact, FactTable, Identifier } from '@/components/fact-table';
import { Link } from '@/components/link';
import { paths } from '@/config/paths';
import { isFinal } from '@/lib/job-stream/state';
import { useFormat } from '@/lib/use-format';
import { useTaskName } from '@/lib/use-task-name';

export function JobDetails({ job }: { job: Job }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const nameOf = useTaskName();
  const { metrics = {} } = job;
  return (
    <FactTable>
      <Fact name={t('detail.id')}>
        <Identifier text={job.id} />
      </Fact>
      <Fact name={t('detail.model')}>{job.model}</Fact>
      <Fact name={t('detail.task')}>{nameOf(job.task)}</Fact>
      <Fact name={t('detail.priority')}>{t(`priority.${job.priority}`)}</Fact>
      <Fact name={t('detail.attempts')}>{format.number(job.attempt)}</Fact>
      {job.worker && <Fact name={t('detail.worker')}>{job.worker}</Fact>}
      {job.version && (
        <Fact name={t('detail.version')}>
          <Identifier text={job.version} />
        </Fact>
      )}
      {metrics.dtype && <Fact name={t('detail.precision')}>{metrics.dtype}</Fact>}
      {metrics.seed !== undefined && <Fact name={t('detail.seed')}>{String(metrics.seed)}</Fact>}
      {!isFinal(job) && <Fact name={t('detail.deadline')}>{format.date(job.deadline)}</Fact>}
      {job.expires_at && <Fact name={t('detail.removal')}>{format.date(job.expires_at)}</Fact>}
      {job.retry_of && (
        <Fact name={t('detail.retryOf')}>
          <Link
            to={paths.job}
            params={{ id: job.retry_of }}
            size="xs"
            ff="monospace"
            truncate
            display="block"
          >
            {job.retry_of}
          </Link>
        </Fact>
      )}
    </FactTable>
  );
}
