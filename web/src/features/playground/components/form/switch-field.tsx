/** Yes or no. Where the model has a mind of its own, leaving it so is a third answer. */
import { NativeSelect, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { FieldProps } from './field-props';

export function SwitchField({ field, label, hint, value, onChange, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const usual = field.schema.default;
  if (typeof usual === 'boolean') {
    return (
      <Switch
        label={label}
        description={hint}
        error={errorIn()}
        checked={typeof value === 'boolean' ? value : usual}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    );
  }
  return (
    <NativeSelect
      label={label}
      description={hint}
      error={errorIn()}
      value={typeof value === 'boolean' ? String(value) : ''}
      onChange={({ currentTarget }) =>
        onChange(currentTarget.value === '' ? undefined : currentTarget.value === 'true')
      }
      data={[
        { value: '', label: t('form.asModel') },
        { value: 'true', label: t('form.yes') },
        { value: 'false', label: t('form.no') },
      ]}
    />
  );
}
