/** The right side of the page: state, result, JSON, code. */
import { Button, Group, Skeleton, Stack, Tabs } from '@mantine/core';
import { IconDownload, IconSparkles } from '@tabler/icons-react';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { CopyButton } from '@/components/copy-button';
import { EmptyState } from '@/components/empty-state';
import { ProblemAlert } from '@/components/problem-alert';
import { isFinal } from '@/lib/job-stream/state';
import { downloadJson } from '@/lib/download';
import { Metrics } from '../run/metrics';
import { StatusLine } from '../run/status-line';
import type { RunControl } from '../run/use-run';
import { JobFailure } from './job-failure';
import { JsonView } from './json-view';
import { ResultView } from './result-view';

const CodePanel = lazy(() => import('../code/code-panel'));

interface ResultPanelProps {
  control: RunControl;
  /** A failure that is shown at the fields already is left out. */
  error: unknown;
  model: string;
  task: string | undefined;
  draft: () => Record<string, unknown>;
}

export function ResultPanel({ control, error, model, task, draft }: ResultPanelProps) {
  const { t } = useTranslation('playground');
  const { run, state } = control;
  const job = state.job;
  return (
    <Tabs defaultValue="result" keepMounted={false}>
      <Tabs.List mb="lg">
        <Tabs.Tab value="result">{t('result.result')}</Tabs.Tab>
        <Tabs.Tab value="json" disabled={!job}>
          {t('result.json')}
        </Tabs.Tab>
        <Tabs.Tab value="code">{t('result.code')}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="result">
        <Stack gap="lg">
          <ProblemAlert error={error} />
          {run && <StatusLine state={state} />}
          {job?.error && <JobFailure failure={job.error} />}
          {run && <ResultView state={state} input={run.input} />}
          {job && isFinal(job) && <Metrics job={job} />}
          {!run && !error && (
            <EmptyState icon={<IconSparkles size={26} />} title={t('result.none')}>
              {t('result.noneHint')}
            </EmptyState>
          )}
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="json">{job && <JsonPanel job={job} />}</Tabs.Panel>
      <Tabs.Panel value="code">
        <Suspense fallback={<Skeleton h={320} radius="md" />}>
          <CodePanel model={model} task={task} input={draft()} />
        </Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}

function JsonPanel({ job }: { job: Job }) {
  const { t } = useTranslation('playground');
  const value = job.output ?? job;
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <CopyButton value={() => JSON.stringify(value, undefined, 2)} label={t('result.copyJson')} />
        <Button
          size="xs"
          variant="default"
          leftSection={<IconDownload size={16} />}
          onClick={() => downloadJson(`${job.id}.json`, value)}
        >
          {t('result.downloadJson')}
        </Button>
      </Group>
      <JsonView value={value} />
    </Stack>
  );
}
