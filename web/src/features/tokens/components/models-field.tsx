/** Which models a token may use; none chosen means all. */
import { MultiSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { modelsQuery, namesOf } from '@/lib/models';

interface ModelsFieldProps {
  value: string[];
  onChange: (value: string[]) => void;
  error?: React.ReactNode;
}

export function ModelsField({ value, onChange, error }: ModelsFieldProps) {
  const { t } = useTranslation('tokens');
  const { data } = useQuery({ ...modelsQuery, select: namesOf });
  return (
    <MultiSelect
      label={t('form.models')}
      description={t('form.modelsHint')}
      placeholder={value.length === 0 ? t('form.modelsAll') : undefined}
      data={data ?? []}
      value={value}
      onChange={onChange}
      error={error}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t('form.modelsClear') }}
      comboboxProps={{ withinPortal: true }}
    />
  );
}
