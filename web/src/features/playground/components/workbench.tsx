/** One task of one model: its form on the left, what becomes of it on the right. */
import { Alert, Card, Stack } from '@mantine/core';
import { type KeyboardEvent, type SubmitEvent, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Model, ModelTask } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { draftAt, keepDraft, placeOf } from '../desk';
import { describeForm } from '../schema/fields';
import { readSchema } from '../schema/json-schema';
import { toValues } from '../schema/values';
import { forgetGiven } from '../share/address';
import { type Given, useGivenInput } from '../share/use-given-input';
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
  given: Given;
  onModel: (model: Model) => void;
  onTask: (task: string) => void;
}

export function Workbench({ models, model, task, given, onModel, onTask }: WorkbenchProps) {
  // The list of models is asked for again and again; the form must not begin anew with it.
  const schema = JSON.stringify(task.input_schema);
  const form = useMemo(() => describeForm(readSchema(JSON.parse(schema))), [schema]);
  const place = placeOf(model.id, task.task);
  const state = useSchemaForm(
    form,
    () => draftAt(place) ?? toValues(form, task.example, false),
    (values) => {
      keepDraft(place, values);
      // A link that was shared says what was written then.
      if (given.fits) forgetGiven();
    },
  );
  const control = useRun(place);
  /** A failure that is said at the fields; twice would be once too often. */
  const [atFields, setAtFields] = useState<unknown>();
  const panel = useRef<HTMLDivElement>(null);
  const notGiven = useGivenInput(given, model.id, state.fill);

  const submit = async () => {
    const input = state.check();
    if (!input || control.busy) return;
    bringIntoSight(panel.current);
    try {
      await control.start(model, task.task, input);
    } catch (error) {
      setAtFields(state.refuse(error) ? error : undefined);
    }
  };
  const shared = () => {
    const input = state.draft();
    // What is wrong is said at its field.
    if (!input) state.check();
    return input && { model: model.id, task: task.task, input };
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    void submit();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLFormElement>) => {
    if (model.status !== 'disabled' && event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      // Once the field has taken what is being typed in it.
      const form = event.currentTarget;
      setTimeout(() => form.requestSubmit());
    }
  };

  return (
    <div className={classes.columns}>
      <Card component="form" noValidate onSubmit={onSubmit} onKeyDown={onKeyDown}>
        <Stack gap="lg">
          <ModelPicker models={models} current={model} onPick={onModel} />
          <TaskTabs tasks={model.tasks.map(({ task: name }) => name)} current={task.task} onPick={onTask} />
          <NotGiven why={notGiven} />
          <SchemaForm form={form} state={state} />
          <RunBar
            control={control}
            disabled={model.status === 'disabled'}
            onExample={() => state.fill(task.example)}
            draft={shared}
          />
        </Stack>
      </Card>
      <Card ref={panel} className={`${classes.panel} ${classes.sticky}`}>
        <ResultPanel
          control={control}
          error={control.error === atFields ? undefined : control.error}
          model={model.id}
          task={task.task === model.task ? undefined : task.task}
          draft={() => state.draft() ?? {}}
        />
      </Card>
    </div>
  );
}

/** On a narrow window the result stands below the form, and whoever presses the button would see nothing happen. */
function bringIntoSight(panel: HTMLElement | null) {
  if (!panel || panel.getBoundingClientRect().top < window.innerHeight / 2) return;
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  panel.scrollIntoView({ block: 'nearest', behavior: still ? 'auto' : 'smooth' });
}

/** Why the form has not what the address was to bring. */
function NotGiven({ why }: { why: unknown }) {
  const { t } = useTranslation('playground');
  if (why !== 'absent') return <ProblemAlert error={why} />;
  return (
    <Alert color="amber" variant="light" role="alert">
      {t('run.absent')}
    </Alert>
  );
}
