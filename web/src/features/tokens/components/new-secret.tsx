/** The text of a new token, once. */
import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import { useFocusHere } from '@/lib/focus';
import classes from './new-secret.module.css';

interface NewSecretProps {
  name: string;
  secret: string;
  /** Whether another one goes on beside it. */
  overlap?: boolean;
  onDone: () => void;
}

export function NewSecret({ name, secret, overlap, onDone }: NewSecretProps) {
  const { t } = useTranslation('tokens');
  const text = useFocusHere<HTMLPreElement>();
  return (
    <Stack>
      <Alert color="amber" icon={<IconAlertTriangle />} role="status">
        <Text size="sm" c="var(--mantine-color-text)">
          {t('secret.warning')}
        </Text>
      </Alert>
      <Stack gap={6}>
        <Group justify="space-between" gap="sm">
          <Text size="sm" fw={550}>
            {t('secret.label', { name })}
          </Text>
          <CopyButton value={secret} label={t('secret.copy')} />
        </Group>
        <Code block ref={text} className={classes.secret} tabIndex={0}>
          {secret}
        </Code>
      </Stack>
      <Text size="sm" c="dimmed">
        {t('secret.keep')} {overlap && t('secret.overlap')}
      </Text>
      <Group justify="flex-end">
        <Button onClick={onDone}>{t('secret.done')}</Button>
      </Group>
    </Stack>
  );
}
