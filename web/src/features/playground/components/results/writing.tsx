/** Text as it is written, after the prompt that it goes on from. */
import { Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import classes from './results.module.css';

interface WritingProps {
  text: string;
  prompt?: string;
  finish?: string;
  /** More is on its way. */
  writing?: boolean;
}

export function Writing({ text, prompt, finish, writing = false }: WritingProps) {
  const { t } = useTranslation('playground');
  return (
    <div>
      <div className={classes.writing} data-writing={writing} aria-live="polite" aria-busy={writing}>
        {prompt && <span className={classes.prompt}>{prompt}</span>}
        {text}
      </div>
      {!writing && (
        <Group justify="space-between" mt="xs">
          <Text size="xs" c="dimmed">
            {finish === 'length' ? t('result.finish.length') : ''}
          </Text>
          <CopyButton value={text} label={t('result.copyText')} />
        </Group>
      )}
    </div>
  );
}
