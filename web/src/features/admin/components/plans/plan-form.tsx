/** Changes a plan, or takes it back to what the settings say. */
import { Button, Group, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Plan } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { notifySuccess } from '@/lib/notify';
import { useProblemForm } from '@/lib/problem-form';
import { useUpdatePlan } from '../../api/update-plan';
import { useConfirm } from '../confirm';
import { Dialog } from '../dialog';
import { LimitInputs } from '../limits/limit-inputs';
import { changesOf, fromValues, limitFields, type LimitValues, toValues } from '../limits/limits';

interface PlanFormProps {
  plan: Plan;
  opened: boolean;
  onClose: () => void;
}

export function PlanForm({ plan, opened, onClose }: PlanFormProps) {
  const { t } = useTranslation(['admin', 'common']);
  const update = useUpdatePlan(plan.name);
  const { ask, dialog } = useConfirm();
  const { form, failure, refuse, clear } = useProblemForm<LimitValues>({
    initialValues: toValues(plan),
    // Nothing is no limit by being empty: that is 0, and going back to the settings is a button.
    validate: Object.fromEntries(
      limitFields.map((field) => [field, (value: unknown) => (value === '' ? t('admin:plan.empty') : null)]),
    ),
  });
  const done = t('admin:plan.done', { name: plan.name });
  const save = form.onSubmit((values) => {
    clear();
    const changes = changesOf(plan, fromValues(values));
    if (Object.keys(changes).length === 0) {
      onClose();
      return;
    }
    update.mutate(changes, {
      onSuccess: () => {
        notifySuccess(done);
        onClose();
      },
      onError: refuse,
    });
  });
  const askReset = () => {
    onClose();
    ask({
      title: t('admin:plan.reset.title', { name: plan.name }),
      text: t('admin:plan.reset.text', {
        fields: plan.changed.map((field) => labelOf(field)).join(t('admin:comma')),
      }),
      action: t('admin:plan.reset.action'),
      done,
      run: () => {
        const changes = Object.fromEntries(plan.changed.map((field) => [field, null]));
        return update.mutateAsync(changes);
      },
    });
  };
  const labelOf = (field: string) => t(`admin:limit.${field}` as 'admin:limit.burst');
  return (
    <>
      <Dialog opened={opened} onClose={onClose} size="lg" title={t('admin:plan.title', { name: plan.name })}>
        <form onSubmit={save} noValidate>
          <Stack>
            <Text size="sm" c="dimmed">
              {t('admin:plan.text')}
            </Text>
            <LimitInputs propsOf={(field) => form.getInputProps(field)} />
            <ProblemAlert error={failure} />
            <Group justify="space-between" gap="sm">
              {plan.changed.length > 0 ? (
                <Button variant="subtle" color="gray" onClick={askReset}>
                  {t('admin:plan.reset.action')}
                </Button>
              ) : (
                <span />
              )}
              <Group gap="sm">
                <Button variant="default" onClick={onClose}>
                  {t('common:action.cancel')}
                </Button>
                <Button type="submit" loading={update.isPending}>
                  {t('common:action.save')}
                </Button>
              </Group>
            </Group>
          </Stack>
        </form>
      </Dialog>
      {dialog}
    </>
  );
}
