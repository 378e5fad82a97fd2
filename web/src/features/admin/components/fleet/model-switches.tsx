/** All models of the installation; each can be switched off for everybody. */
import { Card, Group, Stack, Switch, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Model } from '@/api/generated';
import { useSwitchModel } from '../../api/switch-model';
import { useConfirm } from '../confirm';
import classes from './fleet.module.css';
import { ModelState } from './model-state';

export function ModelSwitches({ models }: { models: readonly Model[] }) {
  const { t } = useTranslation('admin');
  const switchModel = useSwitchModel();
  const { ask, dialog } = useConfirm();
  const turn = ({ id }: Model, enabled: boolean) => {
    const way = enabled ? 'on' : 'off';
    ask({
      title: t(`model.${way}.title`, { model: id }),
      text: t(`model.${way}.text`),
      action: t(`model.${way}.action`),
      danger: !enabled,
      done: t(`model.${way}.done`, { model: id }),
      run: () => switchModel.mutateAsync({ id, enabled }),
    });
  };
  return (
    <Card padding={0}>
      <ul className={classes.switches}>
        {models.map((model) => (
          <li key={model.id} className={classes.switchRow}>
            <Group justify="space-between" gap="md" wrap="nowrap">
              <Stack gap={2} miw={0}>
                <Text fw={600}>{model.id}</Text>
                <Text size="sm" c="dimmed">
                  {model.description}
                </Text>
                {model.status_detail && <Text size="sm">{model.status_detail}</Text>}
                <Group gap="sm" mt={4}>
                  <ModelState status={model.status} />
                  <Text size="sm" c="dimmed">
                    {t('model.workers', { count: model.workers })}
                    {model.public && ` · ${t('model.public')}`}
                  </Text>
                </Group>
              </Stack>
              <Switch
                size="md"
                color="teal.8"
                checked={model.status !== 'disabled'}
                onChange={(event) => turn(model, event.currentTarget.checked)}
                aria-label={t('model.switch', { model: model.id })}
              />
            </Group>
          </li>
        ))}
      </ul>
      {dialog}
    </Card>
  );
}
