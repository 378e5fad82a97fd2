/** For each model and task: the code, what may be sent, and what comes back. */
import { Group, NativeSelect, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Model } from '@/api/generated';
import { CodeTabs } from '@/components/code/code-tabs';
import { useTaskName } from '@/lib/use-task-name';
import { FieldTable } from './field-table';

interface ModelExamplesProps {
  models: readonly Model[];
  chosen: { model?: string | undefined; task?: string | undefined };
  onChoose: (chosen: { model: string; task?: string }) => void;
}

export function ModelExamples({ models, chosen, onChoose }: ModelExamplesProps) {
  const { t } = useTranslation('docs');
  const taskName = useTaskName();
  const model =
    models.find(({ id }) => id === chosen.model) ?? models.find(({ task }) => task !== 'echo') ?? models[0];
  const task = model?.tasks.find((offered) => offered.task === chosen.task) ?? model?.tasks[0];
  if (!model || !task) return <Text c="dimmed">{t('models.none')}</Text>;
  const first = task.task === model.task;
  const label = t('models.code', { model: model.id, task: taskName(task.task) });
  return (
    <Stack gap="md">
      <Group gap="md" align="flex-end">
        <NativeSelect
          flex="1 1 200px"
          maw={280}
          label={t('models.model')}
          data={models.map(({ id }) => id)}
          value={model.id}
          onChange={(event) => onChoose({ model: event.currentTarget.value })}
        />
        <NativeSelect
          flex="1 1 200px"
          maw={280}
          label={t('models.task')}
          data={model.tasks.map(({ task: value }) => ({ value, label: taskName(value) }))}
          value={task.task}
          onChange={(event) => onChoose({ model: model.id, task: event.currentTarget.value })}
        />
      </Group>
      <Text size="sm" c="dimmed" maw={720}>
        {model.description}
      </Text>
      <CodeTabs
        label={label}
        call={{
          server: location.origin,
          model: model.id,
          task: first ? undefined : task.task,
          input: task.example,
          how: 'wait',
        }}
      />
      <Title order={3} fz="md" mt="xs">
        {t('models.input')}
      </Title>
      <FieldTable schema={task.input_schema} label={t('models.input')} input />
      <Title order={3} fz="md" mt="xs">
        {t('models.output')}
      </Title>
      <FieldTable schema={task.output_schema} label={t('models.output')} />
    </Stack>
  );
}

export function ExamplesSkeleton() {
  return (
    <Stack aria-busy="true">
      <Skeleton height={60} maw={570} radius="md" />
      <Skeleton height={260} radius="md" />
    </Stack>
  );
}
