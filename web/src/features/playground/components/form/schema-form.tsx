/** The fields of a task: what it is about, and its options below, folded when there are many. */
import { Box, SimpleGrid, Skeleton, Stack, UnstyledButton } from '@mantine/core';
import { useDisclosure, useId } from '@mantine/hooks';
import { IconChevronRight } from '@tabler/icons-react';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import type { Field, Form } from '../../schema/fields';
import { FREE, isEmpty } from '../../schema/values';
import { ChoiceField } from './choice-field';
import type { FieldProps } from './field-props';
import classes from './form.module.css';
import { JsonField } from './json-field';
import { LabelsField } from './labels-field';
import { MessagesField } from './messages-field';
import { NumberField } from './number-field';
import { SwitchField } from './switch-field';
import { TextField } from './text-field';
import { TextsField } from './texts-field';
import { useFieldTexts } from './use-field-texts';
import type { SchemaForm as State } from './use-schema-form';

const MediaField = lazy(() => import('./media-field'));

interface SchemaFormProps {
  form: Form;
  state: State;
}

export function SchemaForm({ form, state }: SchemaFormProps) {
  const { t } = useTranslation('playground');
  const textsOfField = useFieldTexts();
  if (form.free) {
    return (
      <JsonField
        label={t('form.input')}
        hint={t('form.freeHint')}
        value={state.values[FREE]}
        onChange={(value) => state.change(FREE, value)}
        errorAt={() => state.errorAt('')}
      />
    );
  }
  const propsOf = (field: Field): FieldProps => ({
    field,
    ...textsOfField(field),
    value: state.values[field.name],
    onChange: (value) => state.change(field.name, value),
    errorAt: (path = '') => state.errorAt(`/${field.name}${path}`),
  });
  return (
    <Stack gap="md">
      {form.main.map((field) => (
        <FieldOf key={field.name} {...propsOf(field)} />
      ))}
      {form.options.length > 0 && <Options fields={form.options.map(propsOf)} />}
    </Stack>
  );
}

function Options({ fields }: { fields: FieldProps[] }) {
  const { t } = useTranslation('playground');
  const id = useId();
  const [opened, { toggle }] = useDisclosure(false);
  const changed = fields.filter(({ value }) => !isEmpty(value)).length;
  // A fault must be seen.
  const shown = opened || fields.some(({ errorAt }) => errorAt() !== undefined);
  return (
    <Box className={classes.options}>
      <UnstyledButton className={classes.toggle} aria-expanded={shown} aria-controls={id} onClick={toggle}>
        <IconChevronRight size={16} className={classes.chevron} />
        {changed > 0 ? t('form.optionsChanged', { count: changed }) : t('form.options')}
      </UnstyledButton>
      <Box id={id} hidden={!shown} mt="md">
        {shown && (
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md" verticalSpacing="md">
            {fields.map((props) => (
              <FieldOf key={props.field.name} {...props} />
            ))}
          </SimpleGrid>
        )}
      </Box>
    </Box>
  );
}

function FieldOf(props: FieldProps) {
  switch (props.field.kind) {
    case 'text':
    case 'longText':
      return <TextField {...props} />;
    case 'texts':
      return <TextsField {...props} />;
    case 'labels':
      return <LabelsField {...props} />;
    case 'messages':
      return <MessagesField {...props} />;
    case 'image':
    case 'audio':
      return (
        <Suspense fallback={<Skeleton h={180} radius="lg" />}>
          <MediaField {...props} />
        </Suspense>
      );
    case 'number':
      return <NumberField {...props} />;
    case 'switch':
      return <SwitchField {...props} />;
    case 'choice':
      return <ChoiceField {...props} />;
    case 'json':
      return <JsonField {...props} />;
  }
}
