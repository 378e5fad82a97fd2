/** Takes a value along, whole. */
import { ActionIcon, Group } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import { downloadJson } from '@/lib/download';

export function DataActions({ name, value }: { name: string; value: unknown }) {
  const { t } = useTranslation();
  return (
    <Group gap={4}>
      <CopyButton value={() => JSON.stringify(value, undefined, 2)} />
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={t('action.download')}
        title={t('action.download')}
        onClick={() => downloadJson(name, value)}
      >
        <IconDownload size={16} />
      </ActionIcon>
    </Group>
  );
}
