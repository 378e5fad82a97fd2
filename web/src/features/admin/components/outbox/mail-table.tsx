/** Mails, newest first; what was given up can be sent again. */
import { Button, Stack, Text } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Mail } from '@/api/generated';
import { useMessageOf } from '@/lib/message-of';
import { notifyFailure, notifySuccess } from '@/lib/notify';
import { useFormat } from '@/lib/use-format';
import { useRetryMail } from '../../api/retry-mail';
import { type Column, DataTable } from '../data-table';
import { StateBadge } from '../state-badge';
import { templates } from './templates';

const colors = { queued: 'blue', sent: 'teal', dead: 'red' } as const;

export function MailTable({ mails }: { mails: readonly Mail[] }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const messageOf = useMessageOf();
  const retry = useRetryMail();
  const again = (mail: Mail) =>
    retry.mutate(mail.id, {
      onSuccess: () => notifySuccess(t('mail.again', { recipient: mail.recipient })),
      onError: (error) => notifyFailure(messageOf(error)),
    });
  const when = (mail: Mail) => {
    if (mail.sent_at) return format.relative(mail.sent_at);
    return mail.state === 'queued' ? format.relative(mail.run_at) : '–';
  };

  const columns: Column<Mail>[] = [
    {
      key: 'mail',
      label: t('mail.what'),
      head: true,
      cell: (mail) => {
        const template = templates.find((name) => name === mail.template);
        return (
          <Stack gap={0}>
            <Text inherit fw={600}>
              {template ? t(`mail.template.${template}`) : mail.template}
            </Text>
            <Text size="sm" c="dimmed">
              {mail.recipient}
            </Text>
          </Stack>
        );
      },
    },
    {
      key: 'state',
      label: t('token.state'),
      cell: ({ state }) => <StateBadge color={colors[state]}>{t(`mail.state.${state}`)}</StateBadge>,
    },
    {
      key: 'error',
      label: t('mail.error'),
      cell: ({ last_error }) =>
        last_error && (
          <Text size="sm" maw={340} lineClamp={3} title={last_error}>
            {last_error}
          </Text>
        ),
    },
    {
      key: 'tries',
      label: t('mail.tries'),
      align: 'end',
      cell: ({ attempts }) => format.number(attempts),
    },
    { key: 'stored', label: t('mail.stored'), cell: ({ created_at }) => format.date(created_at) },
    { key: 'due', label: t('mail.due'), cell: when },
    {
      key: 'actions',
      label: t('actions'),
      actions: true,
      align: 'end',
      cell: (mail) =>
        mail.state === 'dead' && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={15} />}
            loading={retry.isPending && retry.variables === mail.id}
            onClick={() => again(mail)}
          >
            {t('mail.retry')}
          </Button>
        ),
    },
  ];
  return <DataTable label={t('mail.title')} columns={columns} rows={mails} rowKey={({ id }) => id} />;
}
