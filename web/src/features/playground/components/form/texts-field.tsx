/** A list of texts, one field each. Enter adds one, as does pasting several lines. */
import { ActionIcon, Button, Group, Input, Stack, Text, Textarea } from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { type ClipboardEvent, type KeyboardEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { textsOf } from '../../schema/values';
import type { FieldProps } from './field-props';

export function TextsField({ field, label, hint, value, onChange, errorAt, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const list = useRef<HTMLDivElement>(null);
  const [leftOut, setLeftOut] = useState(0);
  const texts = textsOf(value);
  const shown = texts.length === 0 ? [''] : texts;
  const { maxItems } = field.schema;
  const full = maxItems !== undefined && shown.length >= maxItems;

  const put = (next: string[], focus?: number) => {
    setLeftOut(0);
    onChange(next);
    if (focus === undefined) return;
    requestAnimationFrame(() => list.current?.querySelectorAll('textarea')[focus]?.focus());
  };
  const addAfter = (at: number) => {
    if (!full) put([...shown.slice(0, at + 1), '', ...shown.slice(at + 1)], at + 1);
  };
  const onKeyDown = (event: KeyboardEvent, at: number) => {
    const plain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.nativeEvent.isComposing;
    if (event.key === 'Enter' && plain) {
      event.preventDefault();
      addAfter(at);
    }
  };
  const onPaste = (event: ClipboardEvent, at: number) => {
    const lines = event.clipboardData
      .getData('text/plain')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '');
    if (lines.length < 2 || shown[at] !== '') return;
    event.preventDefault();
    const all = [...shown.slice(0, at), ...lines, ...shown.slice(at + 1)];
    put(all.slice(0, maxItems), Math.min(at + lines.length, maxItems ?? Infinity) - 1);
    setLeftOut(Math.max(0, all.length - (maxItems ?? Infinity)));
  };

  return (
    <Input.Wrapper
      label={label}
      description={hint}
      error={errorAt()}
      withAsterisk={field.required}
      labelElement="div"
    >
      <Stack gap="xs" mt={6} ref={list} role="group" aria-label={label}>
        {shown.map((text, at) => (
          // Texts have nothing to be told by but their place.
          <Group key={at} gap="xs" wrap="nowrap" align="flex-start">
            <Textarea
              flex={1}
              aria-label={t('form.item', { label, number: at + 1 })}
              value={text}
              error={errorIn(`/${at}`)}
              onChange={(event) =>
                put(shown.map((other, i) => (i === at ? event.currentTarget.value : other)))
              }
              onKeyDown={(event) => onKeyDown(event, at)}
              onPaste={(event) => onPaste(event, at)}
              autosize
              minRows={1}
              maxRows={8}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              disabled={shown.length === 1}
              aria-label={t('form.remove', { label, number: at + 1 })}
              onClick={() =>
                put(
                  shown.filter((_, i) => i !== at),
                  Math.max(0, at - 1),
                )
              }
            >
              <IconX size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Group justify="space-between">
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPlus size={14} />}
            disabled={full}
            onClick={() => addAfter(shown.length - 1)}
          >
            {t('form.addText')}
          </Button>
        </Group>
        <Text size="sm" role="status" hidden={leftOut === 0}>
          {leftOut > 0 && t('form.leftOut', { count: leftOut, most: maxItems })}
        </Text>
      </Stack>
    </Input.Wrapper>
  );
}
