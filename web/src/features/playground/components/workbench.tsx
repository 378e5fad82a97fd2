/** One task of one model: its form on the left, what becomes of it on the right. */
import { Card, Stack } from '@mantine/core';
import { type KeyboardEvent, type SubmitEvent, useEffect, useMemo } from 'react';
import type { Model, ModelTask } from '@/api/generated';
import { faultsByPointer } from '@/lib/problem';
import { fromFragment } from '@/lib/share-link';
import { draftAt, keepDraft, placeOf } from '../desk';
import { describeForm } from '../schema/fields';
import { readSchema } from '../schema/json-schema';
import { toValues } from '../schema/values';
import { SchemaForm } from './form/schema-form';
import { useSchemaForm } from './form/use-schema-form';
import { ModelPicker } from './model/model-picker';
import { TaskTabs } from './model/task-tabs';
import { ResultPanel } from './results/result-panel';
import { RunBar } from './run/run-bar';
import classes from './run/run.module.css';
import { useRun } from './run/use-run';

interface WorkbenchProps {
  models: Model[];
  model: Model;
  task: ModelTask;
  onModel: (model: Model) => void;
  onTask: (task: string) => void;
}

export function Workbench({ models, model, task, onModel, onTask }: WorkbenchProps) {
  // The list of models is asked for again and again; the form must not begin anew with it.
  const schema = JSON.stringify(task.input_schema);
  const form = useMemo(() => describeForm(readSchema(JSON.parse(schema))), [schema]);
  const place = placeOf(model.id, task.task);
  const state = useSchemaForm(
    form,
    () => draftAt(place) ?? toValues(form, task.example, false),
    (values) => keepDraft(place, values),
  );
  const control = useRun(place);
  useSharedInput(state.fill);

  const submit = async () => {
    const input = state.check();
    if (!input || control.busy) return;
    try {
      await control.start(model, task.task, input);
    } catch (error) {
      state.refuse(faultsByPointer(error));
    }
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    void submit();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void submit();
    }
  };

  return (
    <div className={classes.columns}>
      <Card component="form" noValidate onSubmit={onSubmit} onKeyDown={onKeyDown}>
        <Stack gap="lg">
          <ModelPicker models={models} current={model} onPick={onModel} />
          <TaskTabs tasks={model.tasks.map(({ task: name }) => name)} current={task.task} onPick={onTask} />
          <SchemaForm form={form} state={state} />
          <RunBar
            control={control}
            disabled={model.status === 'disabled'}
            onExample={() => state.fill(task.example)}
            draft={() => ({ model: model.id, task: task.task, input: state.draft() })}
          />
        </Stack>
      </Card>
      <Card className={`${classes.panel} ${classes.sticky}`}>
        <ResultPanel
          control={control}
          error={control.error}
          model={model.id}
          task={task.task === model.task ? undefined : task.task}
          draft={state.draft}
        />
      </Card>
    </div>
  );
}

/** Takes the input of a share link, once. */
function useSharedInput(fill: (input: Record<string, unknown>) => void) {
  useEffect(() => {
    const take = async () => {
      const input = await fromFragment(window.location.hash);
      if (!input) return;
      fill(input);
      window.history.replaceState(
        window.history.state,
        '',
        window.location.pathname + window.location.search,
      );
    };
    void take();
    // Only what the address brought along counts.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
}
