/** A text of one line or of many. */
import { Textarea, TextInput } from '@mantine/core';
import { textOf } from '../../schema/values';
import type { FieldProps } from './field-props';

export function TextField({ field, label, hint, value, onChange, errorIn }: FieldProps) {
  const shared = {
    label,
    description: hint,
    error: errorIn(),
    value: textOf(value),
    withAsterisk: field.required,
  };
  if (field.kind === 'text') {
    return <TextInput {...shared} onChange={(event) => onChange(event.currentTarget.value)} />;
  }
  return (
    <Textarea
      {...shared}
      autosize
      minRows={3}
      maxRows={14}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
