/** A plan or limits for one token, instead of what its user has. */
import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { User, UserToken } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { notifySuccess } from '@/lib/notify';
import { useProblemForm } from '@/lib/problem-form';
import { useLimitUserToken } from '../../api/limit-user-token';
import { plansQuery } from '../../api/list-plans';
import { Dialog } from '../dialog';
import { LimitInputs } from '../limits/limit-inputs';
import { atTop, fromValues, toValues } from '../limits/limits';

interface TokenLimitsProps {
  user: User;
  token: UserToken;
  opened: boolean;
  onClose: () => void;
}

export function TokenLimits({ user, token, opened, onClose }: TokenLimitsProps) {
  const { t } = useTranslation(['admin', 'common']);
  const plans = useQuery(plansQuery);
  const limit = useLimitUserToken(user.id);
  const { form, failure, refuse, clear } = useProblemForm({
    initialValues: { plan: token.plan ?? '', ...toValues(token.limits ?? {}) },
  });
  const save = form.onSubmit(({ plan, ...values }) => {
    clear();
    const limits = fromValues(values);
    const body = { plan: plan || null, limits: Object.keys(limits).length > 0 ? limits : null };
    limit.mutate(
      { token: token.id, body },
      {
        onSuccess: () => {
          notifySuccess(t('admin:token.limit.done', { name: token.name }));
          onClose();
        },
        onError: (error) => refuse(atTop(error)),
      },
    );
  });
  const own = { value: '', label: t('admin:token.limit.userPlan', { plan: user.plan }) };
  return (
    <Dialog
      opened={opened}
      onClose={onClose}
      size="lg"
      title={t('admin:token.limit.title', { name: token.name })}
    >
      <form onSubmit={save} noValidate>
        <Stack>
          <Text size="sm" c="dimmed">
            {t('admin:token.limit.text')}
          </Text>
          <NativeSelect
            label={t('admin:user.plan')}
            data={[own, ...(plans.data ?? []).map(({ name }) => ({ value: name, label: name }))]}
            {...form.getInputProps('plan')}
          />
          <LimitInputs
            propsOf={(field) => form.getInputProps(field)}
            placeholder={t('admin:token.asPlan')}
            prioritiesHint={t('admin:token.limit.priorities')}
          />
          <ProblemAlert error={failure} />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              {t('common:action.cancel')}
            </Button>
            <Button type="submit" loading={limit.isPending}>
              {t('common:action.save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
