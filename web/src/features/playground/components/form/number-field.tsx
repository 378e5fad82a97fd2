/** A number between two others. */
import { NumberInput } from '@mantine/core';
import type { FieldProps } from './field-props';

/** Below this range one hardly goes by whole numbers. */
const FINE = 5;

export function NumberField({
  field: { schema, required },
  label,
  hint,
  value,
  onChange,
  errorIn,
}: FieldProps) {
  const { minimum, maximum, type, default: usual } = schema;
  const range = maximum !== undefined && minimum !== undefined ? maximum - minimum : Infinity;
  return (
    <NumberInput
      label={label}
      description={hint}
      error={errorIn()}
      withAsterisk={required}
      value={typeof value === 'number' || typeof value === 'string' ? value : ''}
      onChange={(next) => onChange(next === '' ? undefined : next)}
      placeholder={typeof usual === 'number' ? String(usual) : undefined}
      min={minimum}
      max={maximum}
      step={type === 'integer' || range > FINE ? 1 : 0.05}
      allowDecimal={type !== 'integer'}
      clampBehavior="none"
      className="tabular"
    />
  );
}
