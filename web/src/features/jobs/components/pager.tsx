/** To newer and older jobs. */
import { Button, Group } from '@mantine/core';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

interface PagerProps {
  onNewer: (() => void) | undefined;
  onOlder: (() => void) | undefined;
}

export function Pager({ onNewer, onOlder }: PagerProps) {
  const { t } = useTranslation('jobs');
  if (!onNewer && !onOlder) return null;
  return (
    <Group component="nav" aria-label={t('list.paging')} justify="space-between">
      <Button
        variant="default"
        leftSection={<IconChevronLeft size={16} />}
        disabled={!onNewer}
        onClick={onNewer}
      >
        {t('list.newer')}
      </Button>
      <Button
        variant="default"
        rightSection={<IconChevronRight size={16} />}
        disabled={!onOlder}
        onClick={onOlder}
      >
        {t('list.older')}
      </Button>
    </Group>
  );
}
