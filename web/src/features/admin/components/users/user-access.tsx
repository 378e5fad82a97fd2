/** What an account may do: role, plan, and whether it may do anything. Each change is asked about first. */
import { Button, Card, Group, NativeSelect, Stack, Text, Title } from '@mantine/core';
import { IconLock, IconLockOpen, IconLogout, IconUserCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { User, UserRole } from '@/api/generated';
import { useSessionChanged, useUser } from '@/lib/session';
import { useChangeUser } from '../../api/change-user';
import { useEndUserSessions } from '../../api/end-user-sessions';
import { plansQuery } from '../../api/list-plans';
import { useConfirm } from '../confirm';

export function UserAccess({ user }: { user: User }) {
  const { t } = useTranslation('admin');
  const { ask, dialog } = useConfirm();
  const change = useChangeUser(user.id);
  const endSessions = useEndUserSessions(user.id);
  const plans = useQuery(plansQuery);
  const self = useUser()?.id === user.id;
  const name = user.display_name || user.email;
  const sessionChanged = useSessionChanged();
  const router = useRouter();
  /** What is done to oneself may lead out of these pages: the guards look anew. */
  const andLook = async (doing: Promise<unknown>) => {
    await doing;
    if (!self) return;
    await sessionChanged();
    await router.invalidate();
  };

  const askRole = (role: UserRole) =>
    ask({
      title: t(`user.change.${role}.title`, { name }),
      text: self ? t('user.change.self') : t(`user.change.${role}.text`),
      action: t(`user.change.${role}.action`),
      danger: true,
      done: t('user.change.roleDone', { name }),
      run: () => andLook(change.mutateAsync({ role })),
    });
  const askPlan = (plan: string) =>
    ask({
      title: t('user.change.plan.title', { name, plan }),
      text: t('user.change.plan.text'),
      action: t('user.change.plan.action'),
      done: t('user.change.plan.done', { name, plan }),
      run: () => change.mutateAsync({ plan }),
    });
  const askDisabled = (disabled: boolean) => {
    const way = disabled ? 'disable' : 'enable';
    ask({
      title: t(`user.change.${way}.title`, { name }),
      text: t(`user.change.${way}.text`),
      action: t(`user.change.${way}.action`),
      danger: disabled,
      done: t(`user.change.${way}.done`, { name }),
      run: () => change.mutateAsync({ disabled }),
    });
  };
  const askApproved = () =>
    ask({
      title: t('user.change.approve.title', { name }),
      text: t('user.change.approve.text'),
      action: t('user.change.approve.action'),
      done: t('user.change.approve.done', { name }),
      run: () => change.mutateAsync({ approved: true }),
    });
  const askSessions = () =>
    ask({
      title: t('user.change.sessions.title', { name }),
      text: t('user.change.sessions.text'),
      action: t('user.change.sessions.action'),
      danger: true,
      done: t('user.change.sessions.done', { name }),
      run: () => andLook(endSessions.mutateAsync()),
    });

  return (
    <Card>
      <Stack gap="md">
        <Title order={2} fz="lg">
          {t('user.access')}
        </Title>
        {user.status === 'waiting' && (
          <Group justify="space-between" gap="sm">
            <Text size="sm">{t('user.waits')}</Text>
            <Button leftSection={<IconUserCheck size={16} />} onClick={askApproved}>
              {t('user.change.approve.action')}
            </Button>
          </Group>
        )}
        <NativeSelect
          label={t('user.role')}
          description={t('user.roleHint')}
          data={(['user', 'admin'] as const).map((value) => ({ value, label: t(`role.${value}`) }))}
          value={user.role}
          onChange={(event) => askRole(event.currentTarget.value as UserRole)}
        />
        <NativeSelect
          label={t('user.plan')}
          description={t('user.planHint')}
          data={[...new Set([user.plan, ...(plans.data ?? []).map(({ name: plan }) => plan)])]}
          value={user.plan}
          onChange={(event) => askPlan(event.currentTarget.value)}
        />
        <Group gap="sm">
          <Button variant="default" leftSection={<IconLogout size={16} />} onClick={askSessions}>
            {t('user.change.sessions.action')}
          </Button>
          {user.disabled_at ? (
            <Button
              variant="default"
              leftSection={<IconLockOpen size={16} />}
              onClick={() => askDisabled(false)}
            >
              {t('user.change.enable.action')}
            </Button>
          ) : (
            <Button
              variant="default"
              c="var(--mantine-color-error)"
              leftSection={<IconLock size={16} />}
              disabled={self}
              onClick={() => askDisabled(true)}
            >
              {t('user.change.disable.action')}
            </Button>
          )}
        </Group>
      </Stack>
      {dialog}
    </Card>
  );
}
