/** What was submitted, with its pictures and sounds. */
import { Group, Image, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '@/api/generated';
import { DataActions } from './data-actions';
import { JsonView } from '@/components/json/json-view';
import { Panel } from './panel';

export function JobInput({ job }: { job: Job }) {
  const { t } = useTranslation('jobs');
  const { input } = job;
  if (!input) {
    return (
      <Panel title={t('section.input')}>
        <Text size="sm" c="dimmed">
          {job.data_removed ? t('job.removed') : t('input.large')}
        </Text>
      </Panel>
    );
  }
  const media = Object.entries(input).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && /^data:(image|audio)\//.test(entry[1]),
  );
  return (
    <Panel title={t('section.input')} actions={<DataActions name={`${job.id}-input.json`} value={input} />}>
      {media.length > 0 && (
        <Group>
          {media.map(([name, url]) =>
            url.startsWith('data:image/') ? (
              <Image
                key={name}
                src={url}
                alt={t('input.picture')}
                radius="md"
                mah={240}
                w="auto"
                maw="100%"
                fit="contain"
              />
            ) : (
              <audio key={name} src={url} controls aria-label={name} />
            ),
          )}
        </Group>
      )}
      <JsonView value={input} label={t('section.input')} />
    </Panel>
  );
}
