/** A job's life so far, step by step. */
import { Loader, Text, Timeline } from '@mantine/core';
import {
  IconCheck,
  IconClock,
  IconCpu,
  IconHandStop,
  IconPlayerPlay,
  IconX,
  IconClockX,
  IconCancel,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
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
      {steps.map((step) => itemOf(step, job))}
    </Timeline>
  );
}

function itemOf(step: Step, job: Job) {
  const { icon, color } = lookOf(step);
  return (
    <Timeline.Item key={step.kind} bullet={icon} color={color} title={<StepTitle step={step} />}>
      <StepText step={step} job={job} />
      {'at' in step && step.at && <When at={step.at} />}
    </Timeline.Item>
  );
}

function lookOf(step: Step): { icon: ReactNode; color: string } {
  switch (step.kind) {
    case 'queued':
      return { icon: <IconClock size={ICON} />, color: 'gray' };
    case 'claimed':
      return { icon: <IconPlayerPlay size={ICON} />, color: 'gray' };
    case 'running':
      return { icon: <Loader type="oval" size={ICON} color="white" />, color: 'blue' };
    case 'batch':
      return { icon: <IconCpu size={ICON} />, color: 'gray' };
    case 'cancelAsked':
      return { icon: <IconHandStop size={ICON} />, color: 'gray' };
    case 'ended':
      return ends[step.status as Final];
  }
}

function StepTitle({ step }: { step: Step }) {
  const { t } = useTranslation('jobs');
  const key = step.kind === 'ended' ? (step.status as Final) : step.kind;
  return (
    <Text span size="sm" fw={600}>
      {t(`timeline.${key}`)}
    </Text>
  );
}

function StepText({ step, job }: { step: Step; job: Job }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const lines: string[] = [];
  if (step.kind === 'queued') return job.status === 'queued' ? <Waiting queue={job.queue} /> : null;
  if (step.kind === 'claimed') {
    const time = format.duration(step.waitedMs ?? 0);
    if (step.worker) lines.push(t('timeline.claimedBy', { worker: step.worker, time }));
    if (step.attempt > 1) {
      lines.push(t('timeline.attempt', { number: step.attempt }), t('timeline.attempts'));
    }
  }
  if (step.kind === 'running' && job.progress) {
    const percent = format.percent(job.progress.fraction, 0);
    const { stage } = job.progress;
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
