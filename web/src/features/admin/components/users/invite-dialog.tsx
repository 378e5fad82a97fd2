/** Invites somebody, and shows the link, which nobody can read again. */
import { Alert, Button, Code, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Invitation, InvitedRole } from '@/api/generated';
import { CopyButton } from '@/components/copy-button';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { useFocusHere } from '@/lib/focus';
import { useProblemForm } from '@/lib/problem-form';
import { useCreateInvitation } from '../../api/create-invitation';
import { plansQuery } from '../../api/list-plans';
import { Dialog } from '../dialog';

const DAY = 86_400;
const lengths = [1, 7, 30, 90] as const;

interface InviteDialogProps {
  opened: boolean;
  onClose: () => void;
}

export function InviteDialog({ opened, onClose }: InviteDialogProps) {
  const { t } = useTranslation(['admin', 'common']);
  const create = useCreateInvitation();
  // The link is lost with the window, from when it was asked for until a button says that it was taken.
  const held = create.isPending || Boolean(create.data);
  return (
    <Dialog
      opened={opened}
      onClose={onClose}
      title={t(create.data ? 'admin:invitation.made' : 'admin:invitation.new')}
      closeOnClickOutside={!held}
      closeOnEscape={!held}
      withCloseButton={!held}
    >
      {create.data ? (
        <Made invitation={create.data} onClose={onClose} />
      ) : (
        <InviteForm create={create} onClose={onClose} />
      )}
    </Dialog>
  );
}

interface InviteFormProps {
  create: ReturnType<typeof useCreateInvitation>;
  onClose: () => void;
}

function InviteForm({ create, onClose }: InviteFormProps) {
  const { t } = useTranslation(['admin', 'common']);
  const plans = useQuery(plansQuery);
  const { form, failure, refuse, clear } = useProblemForm({
    initialValues: { email: '', role: 'user', plan: '', expires_in_seconds: String(7 * DAY) },
  });
  const invite = form.onSubmit(({ email, role, plan, expires_in_seconds }) => {
    clear();
    create.mutate(
      {
        ...(email.trim() ? { email: email.trim() } : {}),
        ...(plan ? { plan } : {}),
        role: role as InvitedRole,
        expires_in_seconds: Number(expires_in_seconds),
      },
      { onError: refuse },
    );
  });
  const usual = { value: '', label: t('admin:invitation.usualPlan') };
  return (
    <form onSubmit={invite} noValidate>
      <Stack>
        <TextInput
          type="email"
          label={t('admin:invitation.email')}
          description={t('admin:invitation.emailHint')}
          placeholder="name@example.org"
          autoComplete="off"
          data-autofocus
          {...form.getInputProps('email')}
        />
        <NativeSelect
          label={t('admin:user.role')}
          data={(['user', 'admin'] as const).map((value) => ({ value, label: t(`admin:role.${value}`) }))}
          {...form.getInputProps('role')}
        />
        <NativeSelect
          label={t('admin:user.plan')}
          data={[usual, ...(plans.data ?? []).map(({ name }) => ({ value: name, label: name }))]}
          {...form.getInputProps('plan')}
        />
        <NativeSelect
          label={t('admin:invitation.length')}
          data={lengths.map((days) => ({
            value: String(days * DAY),
            label: t('admin:invitation.days', { count: days }),
          }))}
          {...form.getInputProps('expires_in_seconds')}
        />
        <ProblemAlert error={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} disabled={create.isPending}>
            {t('common:action.cancel')}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t('admin:invitation.create')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ invitation, onClose }: { invitation: Invitation; onClose: () => void }) {
  const { t } = useTranslation(['admin', 'common']);
  const shown = useFocusHere<HTMLPreElement>();
  // As the mail has it: the secret is in the fragment, which no server and no log sees.
  const link = `${location.origin}${paths.register}#token=${invitation.token ?? ''}`;
  return (
    <Stack>
      <Text size="sm">
        {invitation.email
          ? t('admin:invitation.mailed', { email: invitation.email })
          : t('admin:invitation.pass')}
      </Text>
      <Code block ref={shown} tabIndex={0} aria-label={t('admin:invitation.link')}>
        {link}
      </Code>
      <Alert icon={<IconInfoCircle />} color="amber">
        {t('admin:invitation.once')}
      </Alert>
      <Group justify="flex-end" gap="sm">
        <CopyButton value={link} label={t('admin:invitation.copy')} />
        <Button size="xs" onClick={onClose}>
          {t('common:action.close')}
        </Button>
      </Group>
    </Stack>
  );
}
