/** One job, as it goes: its output, its input, and how it came about. */
import { Alert, Grid, Group, Stack, Text } from '@mantine/core';
import { IconArrowLeft, IconPlugConnectedX, IconSearch } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { EmptyState } from '@/components/empty-state';
import { Link } from '@/components/link';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { isFinal } from '@/lib/job-stream/state';
import { useJobStream } from '@/lib/job-stream/use-job-stream';
import { isApiError } from '@/lib/problem';
import { useFormat } from '@/lib/use-format';
import { useTaskName } from '@/lib/use-task-name';
import { jobQuery } from '../api/get-job';
import { EventLog } from '../components/event-log';
import { JobActions } from '../components/job-actions';
import { JobDetails } from '../components/job-details';
import { JobInput } from '../components/job-input';
import { JobLoading } from '../components/job-loading';
import { JobOutput } from '../components/job-output';
import { JobStatusBadge } from '../components/job-status';
import { JobTimeline } from '../components/job-timeline';
import { JsonView } from '@/components/json/json-view';
import { Panel } from '../components/panel';
import { merged } from '../detail/merged';
import { useEventLog } from '../events/use-event-log';
import { lacksAnEnd } from '../timeline/runs';

const route = getRouteApi(paths.job);

export function JobPage() {
  const { t } = useTranslation('jobs');
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery(jobQuery(id));
  if (data) return <JobShown key={id} answered={data} />;
  if (isApiError(error, 'not_found')) {
    return (
      <Page title={t('job.goneTitle')}>
        <EmptyState icon={<IconSearch />} title={t('job.goneText')}>
          <Back />
        </EmptyState>
      </Page>
    );
  }
  return (
    <Page title={t('title')} lead={<Back />}>
      {error ? <ProblemAlert error={error} onRetry={() => void refetch()} /> : <JobLoading />}
    </Page>
  );
}

function JobShown({ answered }: { answered: Job }) {
  const { t } = useTranslation('jobs');
  const live = useJobStream(answered);
  const job = merged(answered, live);
  const log = useEventLog(live);
  useKept(job, answered);
  useEndsOfRuns(answered, live.job);
  return (
    <Page
      title={t('job.title', { model: job.model })}
      lead={<Lead job={job} />}
      actions={<JobActions job={job} />}
    >
      {live.connection === 'lost' && (
        <Alert color="amber" icon={<IconPlugConnectedX />} role="status">
          <Text size="sm" c="var(--mantine-color-text)">
            {t('job.lost')}
          </Text>
        </Alert>
      )}
      <ProblemAlert error={live.failure} />
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Stack gap="lg">
            <JobOutput job={job} live={live} />
            <JobInput job={job} />
            {job.metadata && Object.keys(job.metadata).length > 0 && (
              <Panel title={t('section.metadata')}>
                <JsonView value={job.metadata} label={t('section.metadata')} />
              </Panel>
            )}
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Stack gap="lg">
            <Panel title={t('section.timeline')}>
              <JobTimeline job={job} />
            </Panel>
            {(log.length > 1 || !isFinal(job)) && (
              <Panel title={t('section.events')}>
                <EventLog entries={log} />
              </Panel>
            )}
            <Panel title={t('section.details')}>
              <JobDetails job={job} />
            </Panel>
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  );
}

/** What the stream told last is what other pages shall see, too. */
function useKept(job: Job, answered: Job) {
  const queryClient = useQueryClient();
  const ended = isFinal(job) && !isFinal(answered);
  useEffect(() => {
    if (!ended) return;
    queryClient.setQueryData(jobQuery(job.id).queryKey, job);
    void queryClient.invalidateQueries({ queryKey: ['jobs', 'list'] });
    void queryClient.invalidateQueries({ queryKey: ['usage'] });
  }, [ended, job, queryClient]);
}

/** The stream tells of the last run alone: how those before it ended, the server is asked. */
function useEndsOfRuns(answered: Job, told = answered) {
  const queryClient = useQueryClient();
  const { id } = answered;
  const lacking = !isFinal(told) && !isFinal(answered) && lacksAnEnd(answered, told);
  const { status, started_at } = told;
  useEffect(() => {
    if (lacking) void queryClient.invalidateQueries({ queryKey: jobQuery(id).queryKey });
  }, [lacking, status, started_at, id, queryClient]);
}

function Lead({ job }: { job: Job }) {
  const { t } = useTranslation('jobs');
  const nameOf = useTaskName();
  const format = useFormat();
  return (
    <Group gap="sm" component="span">
      <Back />
      <span role="status">
        <JobStatusBadge job={job} size="lg" />
      </span>
      <Text span size="sm">
        {nameOf(job.task)}
      </Text>
      <Text span size="sm" title={format.date(job.created_at)}>
        {t('job.submitted', { when: format.relative(job.created_at) })}
      </Text>
    </Group>
  );
}

function Back() {
  const { t } = useTranslation('jobs');
  return (
    <Link to={paths.jobs} size="sm">
      <Group gap={4} component="span" wrap="nowrap">
        <IconArrowLeft size={14} />
        {t('job.back')}
      </Group>
    </Link>
  );
}
