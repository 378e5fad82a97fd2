/** Says that a page renews itself, and when it can't. */
import { Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import classes from './live-mark.module.css';

export function LiveMark({ failing }: { failing: boolean }) {
  const { t } = useTranslation('admin');
  return (
    <Group gap={8} role="status" wrap="nowrap">
      <span className={classes.dot} data-failing={failing} aria-hidden />
      <Text size="sm" c="dimmed">
        {failing ? t('live.lost') : t('live.on')}
      </Text>
    </Group>
  );
}
