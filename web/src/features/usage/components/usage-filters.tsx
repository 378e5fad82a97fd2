/** Which period, what is measured, and of which model and token. */
import { NativeSelect, SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { modelsQuery, namesOf } from '@/lib/models';
import { allTokensQuery, labelOf } from '@/lib/tokens';
import { type Range, ranges } from '../series/range';
import { type Measure, measures } from '../series/series';
import classes from './usage-filters.module.css';

export interface UsageView {
  range: Range;
  measure: Measure;
  model?: string | undefined;
  token?: string | undefined;
}

interface UsageFiltersProps {
  view: UsageView;
  onChange: (change: Partial<UsageView>) => void;
}

export function UsageFilters({ view, onChange }: UsageFiltersProps) {
  const { t } = useTranslation('usage');
  const { data: models = [] } = useQuery({ ...modelsQuery, select: namesOf });
  const { data: tokens = [] } = useQuery(allTokensQuery);
  const any = { value: '', label: t('filter.any') };
  const modelNames = [...new Set([...models, ...(view.model ? [view.model] : [])])].sort();
  const tokenNames = tokens.map((token) => ({
    value: token.id,
    label: token.status === 'active' ? labelOf(token) : t('filter.ended', { token: labelOf(token) }),
  }));
  return (
    <div className={classes.filters}>
      <SegmentedControl
        aria-label={t('filter.range')}
        value={view.range}
        onChange={(range) => onChange({ range: range })}
        data={ranges.map((value) => ({ value, label: t(`range.${value}`) }))}
      />
      <SegmentedControl
        aria-label={t('filter.measure')}
        value={view.measure}
        onChange={(measure) => onChange({ measure: measure })}
        data={measures.map((value) => ({ value, label: t(`measure.${value}`) }))}
      />
      <div className={classes.lists}>
        <NativeSelect
          aria-label={t('filter.model')}
          leftSection={<span className={classes.name}>{t('filter.model')}</span>}
          leftSectionWidth={72}
          value={view.model ?? ''}
          onChange={(event) => onChange({ model: event.currentTarget.value || undefined })}
          data={[any, ...modelNames]}
        />
        <NativeSelect
          aria-label={t('filter.token')}
          leftSection={<span className={classes.name}>{t('filter.token')}</span>}
          leftSectionWidth={72}
          value={view.token ?? ''}
          onChange={(event) => onChange({ token: event.currentTarget.value || undefined })}
          data={[any, ...tokenNames]}
        />
      </div>
    </div>
  );
}
