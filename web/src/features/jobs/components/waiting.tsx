/** How long it may still take until a job's turn. */
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JobQueue } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { usePlace } from './use-place';

export function Waiting({ queue }: { queue: JobQueue | undefined }) {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const place = usePlace();
  if (!queue) return null;
  const { position, position_is_minimum: atLeast, eta_seconds: eta, possible, reason } = queue;
  const lines: string[] = [];
  if (position !== undefined) {
    lines.push(place(position, atLeast));
  }
  if (eta !== undefined) lines.push(t('timeline.eta', { time: format.duration(eta * 1000) }));
  if (!possible) lines.push(reason ?? t('timeline.impossible'));
  return lines.map((line) => (
    <Text key={line} size="sm" c="dimmed">
      {line}
    </Text>
  ));
}
