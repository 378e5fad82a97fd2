/** Copies a text and says so. */
import { ActionIcon, Button } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

interface CopyButtonProps {
  value: string | (() => string);
  /** With a label it is a button, without one an icon. */
  label?: string;
}

export function CopyButton({ value, label }: CopyButtonProps) {
  const { t } = useTranslation();
  const clipboard = useClipboard();
  const copy = () => clipboard.copy(typeof value === 'function' ? value() : value);
  const said = clipboard.copied ? t('action.copied') : (label ?? t('action.copy'));
  const icon = clipboard.copied ? <IconCheck size={16} /> : <IconCopy size={16} />;
  if (label) {
    return (
      <Button size="xs" variant="default" leftSection={icon} onClick={copy}>
        {said}
      </Button>
    );
  }
  return (
    <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={said} title={said}>
      {icon}
    </ActionIcon>
  );
}
