/** The fields of a task: what it is about, and its options below, folded when there are many. */
import { Box, Skeleton, Stack, UnstyledButton } from '@mantine/core';
import { useDisclosure, useId } from '@mantine/hooks';
import { IconChevronRight } from '@tabler/icons-react';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { ahead } from '@/lib/ahead';
import type { Field, Form } from '../../schema/fields';
import { FREE, isEmpty } from '../../schema/values';
import type { FieldProps } from './field-props';
import { textsOfField } from './field-texts';
import classes from './form.module.css';
import { JsonField } from './json-field';
import { MessagesField } from './messages-field';
import { TextField } from './text-field';
import { TextsField } from './texts-field';
import type { SchemaForm as State } from './use-schema-form';

const MediaField = lazy(() => import('./media-field'));
const loadOther = () => import('./other-field');
const OtherField = lazy(loadOther);

/** Of a field in one line, with its label. */
const HEIGHT = 60;
const HEIGHT_WITH_HINT = 80;

interface SchemaFormProps {
  form: Form;
  state: State;
}

export function SchemaForm({ form, state }: SchemaFormProps) {
  const { t } = useTranslation('playground');
  if (form.free) {
    return (
      <JsonField
        label={t('form.input')}
        hint={t('form.freeHint')}
        value={state.values[FREE]}
        onChange={(value) => state.change(FREE, value)}
        errorIn={() => state.errorIn('')}
      />
    );
  }
  const propsOf = (field: Field): FieldProps => ({
    field,
    ...textsOfField(field),
    value: state.values[field.name],
    onChange: (value) => state.change(field.name, value),
    errorAt: (path = '') => state.errorAt(`/${field.name}${path}`),
    errorIn: (path = '') => state.errorIn(`/${field.name}${path}`, field.kind === 'json'),
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
  const shown = opened || fields.some(({ errorIn }) => errorIn() !== undefined);
  return (
    <Box className={classes.options}>
      <UnstyledButton
        className={classes.toggle}
        aria-expanded={shown}
        aria-controls={id}
        onClick={toggle}
        onPointerEnter={() => ahead(loadOther)}
        onFocus={() => ahead(loadOther)}
      >
        <IconChevronRight size={16} className={classes.chevron} />
        {changed > 0 ? t('form.optionsChanged', { count: changed }) : t('form.options')}
      </UnstyledButton>
      <Box id={id} hidden={!shown} mt="md">
        {shown && (
          <div className={classes.grid}>
            {fields.map((props) => (
              <FieldOf key={props.field.name} {...props} />
            ))}
          </div>
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
    case 'messages':
      return <MessagesField {...props} />;
    case 'image':
    case 'audio':
      return (
        <Suspense fallback={<Skeleton h={180} radius="lg" />}>
          <MediaField {...props} />
        </Suspense>
      );
    case 'json':
      return <JsonField {...props} />;
    case 'labels':
    case 'number':
    case 'switch':
    case 'choice':
      return (
        <Suspense fallback={<Skeleton h={props.hint ? HEIGHT_WITH_HINT : HEIGHT} radius="md" />}>
          <OtherField {...props} />
        </Suspense>
      );
  }
}
