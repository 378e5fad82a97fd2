/** The right side of the page: state, result, JSON, code. */
import { Box, Skeleton, Stack, Tabs } from '@mantine/core';
import { IconSparkles } from '@tabler/icons-react';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { ProblemAlert } from '@/components/problem-alert';
import { loadRunStatus, loadRunView, type RunControl } from '../run/use-run';

const CodePanel = lazy(() => import('../code/code-panel'));
const JsonPanel = lazy(() => import('./json-panel'));
const RunStatus = lazy(loadRunStatus);
const RunView = lazy(loadRunView);

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
      {/* Always there, on each tab: what is put on the page together with its words is not read out. */}
      <Box role="status" mb={run && 'lg'}>
        {run && (
          <Suspense fallback={<Skeleton h={26} w={110} radius="xl" />}>
            <RunStatus state={state} />
          </Suspense>
        )}
      </Box>
      <Tabs.Panel value="result">
        <Stack gap="lg">
          <ProblemAlert error={error} />
          {run && (
            <Suspense fallback={<Skeleton h={220} radius="md" />}>
              <RunView state={state} job={job} input={run.input} />
            </Suspense>
          )}
          {!run && !error && (
            <EmptyState icon={<IconSparkles size={26} />} title={t('result.none')}>
              {t('result.noneHint')}
            </EmptyState>
          )}
        </Stack>
      </Tabs.Panel>
      <Tabs.Panel value="json">
        <Suspense fallback={<Skeleton h={320} radius="md" />}>{job && <JsonPanel job={job} />}</Suspense>
      </Tabs.Panel>
      <Tabs.Panel value="code">
        <Suspense fallback={<Skeleton h={320} radius="md" />}>
          <CodePanel model={model} task={task} input={draft()} />
        </Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}
