/** The end of an account, with time to think better of it. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { deleteAccount } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { notifySuccess } from '@/lib/notify';
import { useSessionChanged } from '@/lib/session';
import { useFormat } from '@/lib/use-format';
import { useMutation } from '@/lib/use-mutation';
import classes from './account.module.css';
import { Section } from './section';

export function DeleteAccount({ email }: { email: string }) {
  const { t } = useTranslation('account');
  const [opened, dialog] = useDisclosure(false);
  return (
    <Section title={t('delete.title')} lead={t('delete.lead')} className={classes.danger}>
      <Group>
        <Button color="red" variant="outline" onClick={dialog.open}>
          {t('delete.open')}
        </Button>
      </Group>
      <Modal
        opened={opened}
        onClose={dialog.close}
        title={t('delete.title')}
        closeButtonProps={{ 'aria-label': t('delete.keep') }}
      >
        <Confirmation email={email} onKeep={dialog.close} />
      </Modal>
    </Section>
  );
}

function Confirmation({ email, onKeep }: { email: string; onKeep: () => void }) {
  const { t } = useTranslation('account');
  const format = useFormat();
  const navigate = useNavigate();
  const sessionChanged = useSessionChanged();
  const [typed, setTyped] = useState('');
  const deletion = useMutation({
    mutationFn: () => deleteAccount(),
    onSuccess: async ({ deletes_at }) => {
      notifySuccess(t('delete.done', { time: format.date(deletes_at) }));
      await navigate({ to: paths.home });
      await sessionChanged();
    },
  });
  return (
    <Stack gap="md">
      <ProblemAlert error={deletion.error} />
      <Text size="sm">{t('delete.what')}</Text>
      <TextInput
        label={t('delete.confirm', { email })}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        autoComplete="off"
        data-autofocus
      />
      <Group justify="flex-end">
        <Button variant="default" onClick={onKeep}>
          {t('delete.keep')}
        </Button>
        <Button
          color="red.9"
          loading={deletion.isPending}
          disabled={typed.trim() !== email}
          onClick={() => deletion.mutate()}
        >
          {t('delete.submit')}
        </Button>
      </Group>
    </Stack>
  );
}
