/** What has no form of its own is written as JSON. */
import { Textarea } from '@mantine/core';
import { textOf } from '../../schema/values';
import type { FieldProps } from './field-props';
import classes from './form.module.css';

export function JsonField({ label, hint, value, onChange, errorIn }: Omit<FieldProps, 'field' | 'errorAt'>) {
  return (
    <Textarea
      label={label}
      description={hint}
      error={errorIn()}
      value={textOf(value)}
      onChange={(event) => onChange(event.currentTarget.value)}
      autosize
      minRows={3}
      maxRows={18}
      spellCheck={false}
      classNames={{ input: classes.mono }}
    />
  );
}
