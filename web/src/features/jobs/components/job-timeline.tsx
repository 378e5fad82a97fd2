/** A job's life so far, step by step, with each of its runs. */
import { Loader, Text, Timeline } from '@mantine/core';
import {
  IconCheck,
  IconClock,
  IconCpu,
  IconHandStop,
  IconPlayerPlay,
  IconRefreshAlert,
  IconX,
  IconClockX,
  IconCancel,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { stageBeside } from '@/lib/job-stream/stage';
import { useFormat } from '@/lib/use-format';
import { type Step, stepsOf } from '../timeline/steps';
import { Waiting } from './waiting';

type Final = 'succeeded' | 'failed' | 'canceled' | 'expired';

const ICON = 13;
const ends: Record<Final, { color: string; icon: ReactNode }> = {
  succeeded: { color: 'teal', icon: <IconCheck size={ICON} /> },
  failed: { color: 'red', icon: <IconX size={ICON} /> },
  canceled: { color: 'gray', icon: <IconCancel size={ICON} /> },
  expired: { color: 'orange', icon: <IconClockX size={ICON} /> },
};

export function JobTimeline({ job }: { job: Job }) {
  const steps = stepsOf(job);
  return (
    <Timeline active={steps.length} bulletSize={24} lineWidth={2} color="gray">
      {steps.map((step) => itemOf(step, job, steps))}
    </Timeline>
  );
}

function itemOf(step: Step, job: Job, steps: Step[]) {
  const { icon, color } = lookOf(step);
  const key = 'run' in step ? `${step.kind}-${step.run}` : step.kind;
  // With one run there is nothing to count.
  const counted = steps.some((other) => other.kind === 'claimed' && other.run > 1);
  return (
    <Timeline.Item key={key} bullet={icon} color={color} title={<StepTitle step={step} counted={counted} />}>
      <StepText step={step} job={job} waits={steps.at(-1) === step} />
      {'at' in step && step.at && <When at={step.at} />}
    </Timeline.Item>
  );
}

function lookOf(step: Step): { icon: ReactNode; color: string } {
  switch (step.kind) {
    case 'queued':
    case 'again':
      return { icon: <IconClock size={ICON} />, color: 'gray' };
    case 'claimed':
      return { icon: <IconPlayerPlay size={ICON} />, color: 'gray' };
    case 'running':
      return { icon: <Loader type="oval" size={ICON} color="white" />, color: 'blue' };
    case 'batch':
      return { icon: <IconCpu size={ICON} />, color: 'gray' };
    case 'cancelAsked':
      return { icon: <IconHandStop size={ICON} />, color: 'gray' };
    case 'broken':
      return { icon: <IconRefreshAlert size={ICON} />, color: 'orange' };
    case 'ended':
      return ends[step.status as Final];
  }
}

function StepTitle({ step, counted }: { step: Step; counted: boolean }) {
  const { t } = useTranslation('jobs');
  const key = step.kind === 'ended' ? (step.status as Final) : step.kind;
  return (
    <Text span size="sm" fw={600}>
      {step.kind === 'broken'
        ? t(`timeline.outcome.${step.outcome}`)
        : t(`timeline.${key as Exclude<typeof key, 'broken'>}`)}
      {step.kind === 'claimed' && counted && (
        <Text span size="sm" c="dimmed" fw={400} ml="xs">
          {t('timeline.run', { number: step.run })}
        </Text>
      )}
    </Text>
  );
}

function StepText({ step, job, waits }: { step: Step; job: Job; waits: boolean }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const lines: string[] = [];
  if (step.kind === 'queued' || step.kind === 'again') {
    return waits && job.status === 'queued' ? <Waiting queue={job.queue} /> : null;
  }
  if (step.kind === 'claimed') {
    const { worker, waitedMs } = step;
    if (waitedMs === undefined) lines.push(t('timeline.by', { worker }));
    else lines.push(t('timeline.claimedBy', { worker, time: format.duration(waitedMs) }));
  }
  if (step.kind === 'running' && job.progress) {
    const percent = format.percent(job.progress.fraction, 0);
    const stage = stageBeside(t('timeline.running'), job.progress.stage);
    lines.push(stage ? t('timeline.stage', { percent, stage }) : percent);
  }
  if (step.kind === 'batch') {
    const place = { time: format.duration(step.computeMs), device: step.device ?? 'cpu' };
    lines.push(
      step.size === 1
        ? t('timeline.batchAlone', place)
        : t('timeline.batchWith', { count: step.size, ...place }),
    );
  }
  if (step.kind === 'broken') {
    lines.push(t(`timeline.outcomeText.${step.outcome}`));
    if (step.size !== undefined && step.size > 1) lines.push(t('timeline.inBatch', { count: step.size }));
  }
  if (step.kind === 'ended') {
    if (step.status === 'expired') lines.push(t('timeline.expiredText'));
    if (step.totalMs !== undefined) lines.push(t('timeline.total', { time: format.duration(step.totalMs) }));
  }
  return lines.map((line) => (
    <Text key={line} size="sm" c="dimmed">
      {line}
    </Text>
  ));
}

function When({ at }: { at: string }) {
  const language = useTranslation().i18n.language;
  const format = useFormat();
  const time = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
  return (
    <Text component="time" dateTime={at} size="xs" c="dimmed" title={format.date(at)} className="tabular">
      {time.format(new Date(at))}
    </Text>
  );
}
