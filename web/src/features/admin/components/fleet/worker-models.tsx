/** The models of a worker, each with its state and the memory that is kept for it. */
import { Group, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { WorkerModel } from '@/api/generated';
import { useAmounts } from '../../format/use-amounts';
import classes from './fleet.module.css';
import { ModelState } from './model-state';

export function WorkerModels({ models }: { models: readonly WorkerModel[] }) {
  const { t } = useTranslation('admin');
  const amounts = useAmounts();
  if (models.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('worker.noModels')}
      </Text>
    );
  }
  return (
    <Stack gap={0} component="ul" className={classes.models} aria-label={t('worker.models')}>
      {models.map((model) => (
        <Group key={model.id} component="li" className={classes.model} justify="space-between" gap="sm">
          <Text size="sm" fw={500}>
            {model.id}
          </Text>
          <Group gap="sm">
            {model.memory_bytes !== undefined && (
              <Text size="sm" c="dimmed" className="tabular">
                {amounts.memory(model.memory_bytes)}
              </Text>
            )}
            <ModelState status={model.status} detail={model.status_detail} />
          </Group>
        </Group>
      ))}
    </Stack>
  );
}
