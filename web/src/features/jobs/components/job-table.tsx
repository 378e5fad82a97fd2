/** Jobs as rows; each leads to its page. On narrow screens what has no column of its own stands under the name. */
import { Progress, Table, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { Link } from '@/components/link';
import { paths } from '@/config/paths';
import { useFormat } from '@/lib/use-format';
import { useTaskName } from '@/lib/use-task-name';
import { JobStatusBadge } from './job-status';
import classes from './job-table.module.css';

export function JobTable({ jobs }: { jobs: readonly Job[] }) {
  const { t } = useTranslation('jobs');
  return (
    <Table
      verticalSpacing="sm"
      horizontalSpacing="md"
      highlightOnHover
      borderColor="var(--app-border)"
      className={classes.table}
    >
      <caption className={classes.unseen}>{t('list.caption')}</caption>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('list.model')}</Table.Th>
          <Table.Th>{t('list.status')}</Table.Th>
          <Table.Th visibleFrom="xs">{t('list.submitted')}</Table.Th>
          <Table.Th visibleFrom="md" className={classes.number}>
            {t('list.waited')}
          </Table.Th>
          <Table.Th visibleFrom="sm" className={classes.number}>
            {t('list.took')}
          </Table.Th>
          <Table.Th visibleFrom="md" className={classes.number}>
            {t('list.attempts')}
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {jobs.map((job) => (
          <Row key={job.id} job={job} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Row({ job }: { job: Job }) {
  const format = useFormat();
  const nameOf = useTaskName();
  const { queue_ms: waited, total_ms: took } = job.metrics ?? {};
  const submitted = format.relative(job.created_at);
  return (
    <Table.Tr className={classes.row}>
      <Table.Td className={classes.name}>
        <Link to={paths.job} params={{ id: job.id }} underline="never" className={classes.link}>
          {job.model}
        </Link>
        <Text size="xs" c="dimmed" truncate>
          {nameOf(job.task)}
        </Text>
        <Text size="xs" c="dimmed" hiddenFrom="xs">
          {submitted}
        </Text>
      </Table.Td>
      <Table.Td>
        <JobStatusBadge job={job} />
        <Going job={job} />
      </Table.Td>
      <Table.Td visibleFrom="xs">
        <Text size="sm" title={format.date(job.created_at)}>
          {submitted}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="md" className={classes.number}>
        {waited === undefined ? '–' : format.duration(waited)}
      </Table.Td>
      <Table.Td visibleFrom="sm" className={classes.number}>
        {took === undefined ? '–' : format.duration(took)}
      </Table.Td>
      <Table.Td visibleFrom="md" className={classes.number}>
        {format.number(job.attempt)}
      </Table.Td>
    </Table.Tr>
  );
}

/** Its place in the queue, or how far it has come. */
function Going({ job }: { job: Job }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const { position, position_is_minimum: atLeast } = job.queue ?? {};
  if (job.status === 'queued' && position !== undefined) {
    const ahead = atLeast
      ? t('list.aheadAtLeast', { count: position })
      : t('list.ahead', { count: position });
    return (
      <Text size="xs" c="dimmed" mt={4}>
        {position === 0 && !atLeast ? t('list.next') : ahead}
      </Text>
    );
  }
  if (job.status === 'processing' && job.progress) {
    const { fraction, stage } = job.progress;
    return (
      <Progress
        value={fraction * 100}
        size="xs"
        mt={6}
        aria-label={[format.percent(fraction, 0), stage].filter(Boolean).join(', ')}
      />
    );
  }
  return null;
}
