/** A conversation, message by message. */
import { ActionIcon, Button, Group, Input, NativeSelect, Paper, Stack, Textarea } from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { type Message, messagesOf } from '../../schema/values';
import type { FieldProps } from './field-props';
import classes from './form.module.css';

const ROLES = ['system', 'user', 'assistant'] as const;

export function MessagesField({ field, label, hint, value, onChange, errorAt, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const given = messagesOf(value);
  const messages = given.length === 0 ? [{ role: 'user', content: '' }] : given;
  const change = (at: number, changes: Partial<Message>) =>
    onChange(messages.map((message, i) => (i === at ? { ...message, ...changes } : message)));
  const next = messages.at(-1)?.role === 'user' ? 'assistant' : 'user';

  return (
    <Input.Wrapper
      label={label}
      description={hint}
      error={errorAt()}
      withAsterisk={field.required}
      labelElement="div"
    >
      <Stack gap="xs" mt={6} role="group" aria-label={label}>
        {messages.map((message, at) => (
          // Messages have nothing to be told by but their place.
          <Paper key={at} className={classes.message} data-role={message.role}>
            <Group justify="space-between" gap="xs">
              <NativeSelect
                size="xs"
                variant="unstyled"
                className={classes.role}
                aria-label={t('form.role', { number: at + 1 })}
                value={message.role}
                onChange={(event) => change(at, { role: event.currentTarget.value })}
                data={ROLES.map((role) => ({ value: role, label: t(`role.${role}`) }))}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                disabled={messages.length === 1}
                aria-label={t('form.remove', { label, number: at + 1 })}
                onClick={() => onChange(messages.filter((_, i) => i !== at))}
              >
                <IconX size={16} />
              </ActionIcon>
            </Group>
            <Textarea
              variant="unstyled"
              aria-label={t('form.item', { label, number: at + 1 })}
              value={message.content}
              error={errorIn(`/${at}`)}
              onChange={(event) => change(at, { content: event.currentTarget.value })}
              autosize
              minRows={1}
              maxRows={12}
            />
          </Paper>
        ))}
        <Group>
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange([...messages, { role: next, content: '' }])}
          >
            {t('form.addMessage')}
          </Button>
        </Group>
      </Stack>
    </Input.Wrapper>
  );
}
