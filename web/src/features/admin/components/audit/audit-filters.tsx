/** Narrows the log down. What is chosen stands in the address of the page. */
import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { AuditOutcome } from '@/api/generated';
import type { AuditFilters as Filters } from '../../api/list-audit';
import { actionAreas, type Action } from '../../audit/actions';
import { fromLocal, toLocal } from '../../audit/local-time';

const TYPING_MS = 400;

interface AuditFiltersProps {
  filters: Filters;
  /** What is wrong with the account that was typed. */
  userFault: string | undefined;
  onChange: (filters: Filters) => void;
}

export function AuditFilters({ filters, userFault, onChange }: AuditFiltersProps) {
  const { t } = useTranslation('admin');
  // Fields that keep what is typed begin anew when everything is taken back.
  const [round, setRound] = useState(0);
  const areas = Object.entries(actionAreas).map(([area, deeds]) => ({
    group: t(`audit.area.${area as keyof typeof actionAreas}`),
    items: deeds.map((deed) => {
      const action = `${area}.${deed}` as Action;
      return { value: action, label: t(`audit.action.${action}`) };
    }),
  }));
  const reset = () => {
    // What was typed just now goes with its field.
    setRound(round + 1);
    onChange({});
  };
  const any = { value: '', label: t('filter.any') };
  return (
    <Group key={round} gap="sm" align="flex-start" role="search" aria-label={t('audit.filters')}>
      <NativeSelect
        flex="2 1 200px"
        label={t('audit.what')}
        data={[any, ...areas]}
        value={filters.action ?? ''}
        onChange={(event) => onChange({ ...filters, action: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        flex="1 1 130px"
        label={t('audit.outcome')}
        data={[
          any,
          ...(['success', 'failure'] as const).map((value) => ({ value, label: t(`audit.${value}`) })),
        ]}
        value={filters.outcome ?? ''}
        onChange={(event) =>
          onChange({
            ...filters,
            outcome: (event.currentTarget.value || undefined) as AuditOutcome | undefined,
          })
        }
      />
      {(['user', 'actor'] as const).map((field) => (
        <TypedFilter
          key={field}
          label={t(`audit.${field}`)}
          placeholder={field === 'user' ? t('audit.userHint') : 'user_… / tok_…'}
          error={field === 'user' && userFault}
          value={filters[field]}
          onChange={(value) => onChange({ ...filters, [field]: value })}
        />
      ))}
      {(['since', 'until'] as const).map((field) => (
        <TextInput
          key={field}
          flex="1 1 190px"
          type="datetime-local"
          label={t(`audit.${field}`)}
          defaultValue={toLocal(filters[field])}
          onChange={(event) => onChange({ ...filters, [field]: fromLocal(event.currentTarget.value) })}
        />
      ))}
      {Object.values(filters).some(Boolean) && (
        <Button variant="subtle" color="gray" onClick={reset} style={{ alignSelf: 'flex-end' }}>
          {t('filter.reset')}
        </Button>
      )}
    </Group>
  );
}

interface TypedFilterProps {
  label: string;
  placeholder: string;
  error: string | false | undefined;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** Keeps what is typed, and tells it after a pause; each has a pause of its own. */
function TypedFilter({ label, placeholder, error, value, onChange }: TypedFilterProps) {
  const type = useDebouncedCallback((typed: string) => onChange(typed.trim() || undefined), TYPING_MS);
  return (
    <TextInput
      flex="1 1 170px"
      label={label}
      placeholder={placeholder}
      error={error}
      defaultValue={value ?? ''}
      onChange={(event) => type(event.currentTarget.value)}
    />
  );
}
