/** Copies a text and says so; where the browser refuses, shows it to be copied by hand. */
import { ActionIcon, Button, Stack, Textarea } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useCopy } from '@/lib/copy';

interface CopyButtonProps {
  value: string | (() => string);
  /** With a label it is a button, without one an icon. */
  label?: string;
}

export function CopyButton({ value, label }: CopyButtonProps) {
  const { t } = useTranslation();
  const { copied, failed, copy } = useCopy();
  const text = () => (typeof value === 'function' ? value() : value);
  const onClick = () => void copy(text());
  const said = copied ? t('action.copied') : (label ?? t('action.copy'));
  const icon = copied ? <IconCheck size={16} /> : <IconCopy size={16} />;
  const button = label ? (
    <Button size="xs" variant="default" leftSection={icon} onClick={onClick}>
      {said}
    </Button>
  ) : (
    <ActionIcon variant="subtle" color="gray" onClick={onClick} aria-label={said} title={said}>
      {icon}
    </ActionIcon>
  );
  if (!failed) return button;
  return (
    <Stack gap="xs" align="flex-start">
      {button}
      <ByHand text={text()} />
    </Stack>
  );
}

function ByHand({ text }: { text: string }) {
  const { t } = useTranslation();
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.select(), []);
  return (
    <Textarea
      ref={area}
      readOnly
      label={t('action.copyByHand')}
      value={text}
      autosize
      maxRows={4}
      miw={260}
    />
  );
}
