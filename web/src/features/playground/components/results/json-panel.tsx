/** What a job gave, as JSON, and to take along. */
import { Button, Group, Stack } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { CopyButton } from '@/components/copy-button';
import { downloadJson } from '@/lib/download';
import { JsonView } from '@/components/json/json-view';

export default function JsonPanel({ job }: { job: Job }) {
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
      <JsonView value={value} label={t('result.json')} />
    </Stack>
  );
}
