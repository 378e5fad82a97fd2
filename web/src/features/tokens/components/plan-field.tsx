/** The plan of a token, where one may give it one: else there is nothing to choose. */
import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { plansQuery } from '../api/list-plans';

interface PlanFieldProps {
  /** Empty: that of whoever makes the token. */
  value: string;
  onChange: (value: string) => void;
  error?: React.ReactNode;
  /** The plan of whoever makes the token. */
  mine: string;
}

export function PlanField({ value, onChange, error, mine }: PlanFieldProps) {
  const { t } = useTranslation('tokens');
  const { data = [] } = useQuery(plansQuery);
  if (data.length === 0) return null;
  const own = { value: '', label: t('form.planMine', { plan: mine }) };
  return (
    <NativeSelect
      label={t('form.plan')}
      description={t('form.planHint')}
      data={[own, ...data.map(({ name }) => ({ value: name, label: name }))]}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
    />
  );
}
