/** One of a few. */
import { NativeSelect } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { FieldProps } from './field-props';

export function ChoiceField({ field, label, hint, value, onChange, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const options = (field.schema.enum ?? []).map(String);
  const usual = field.schema.default;
  const first = usual === undefined && !field.required ? [{ value: '', label: t('form.asModel') }] : [];
  return (
    <NativeSelect
      label={label}
      description={hint}
      error={errorIn()}
      value={typeof value === 'string' ? value : typeof usual === 'string' ? usual : ''}
      onChange={({ currentTarget }) => onChange(currentTarget.value === '' ? undefined : currentTarget.value)}
      data={[...first, ...options]}
    />
  );
}
