/** How far a model is. */
import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { StateBadge } from '../state-badge';
import { isModelStatus, modelColors } from './colors';

export function ModelState({ status, detail }: { status: string; detail?: string | undefined }) {
  const { t } = useTranslation('admin');
  const badge = isModelStatus(status) ? (
    <StateBadge color={modelColors[status]}>{t(`model.state.${status}`)}</StateBadge>
  ) : (
    <StateBadge color="gray">{status}</StateBadge>
  );
  if (!detail) return badge;
  return (
    <Tooltip label={detail} multiline maw={320}>
      <span tabIndex={0}>{badge}</span>
    </Tooltip>
  );
}
