/** Which jobs to show. Native lists: small, and at home on every device. */
import { Button, NativeSelect } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { JobStatus } from '@/api/generated';
import { modelsQuery } from '@/lib/models';
import { useTaskName } from '@/lib/use-task-name';
import type { JobFilter } from '../api/list-jobs';
import classes from './job-filters.module.css';

const statuses = ['queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired'] as const;

interface JobFiltersProps {
  filter: JobFilter;
  onChange: (filter: JobFilter) => void;
}

export function JobFilters({ filter, onChange }: JobFiltersProps) {
  const { t } = useTranslation('jobs');
  const nameOf = useTaskName();
  const { data: models = [] } = useQuery(modelsQuery);
  const { status, model, task } = filter;
  // One that is chosen stays in its list, whether a model has it now or not.
  const names = unique([...models.map(({ id }) => id), model]);
  const offering = models.filter(({ id }) => !model || id === model);
  const tasks = unique([...offering.flatMap((offered) => offered.tasks.map((offer) => offer.task)), task]);
  const any = { value: '', label: t('filter.any') };
  return (
    <div role="search" aria-label={t('filter.label')} className={classes.filters}>
      <NativeSelect
        label={t('filter.status')}
        value={status ?? ''}
        onChange={(event) => {
          const chosen = event.currentTarget.value as JobStatus | '';
          onChange({ ...filter, status: chosen || undefined });
        }}
        data={[any, ...statuses.map((value) => ({ value, label: t(`status.${value}`) }))]}
      />
      <NativeSelect
        label={t('filter.model')}
        value={model ?? ''}
        onChange={(event) => onChange({ ...filter, model: event.currentTarget.value || undefined })}
        data={[any, ...names]}
      />
      <NativeSelect
        label={t('filter.task')}
        value={task ?? ''}
        onChange={(event) => onChange({ ...filter, task: event.currentTarget.value || undefined })}
        data={[any, ...tasks.map((value) => ({ value, label: nameOf(value) }))]}
      />
      {(status ?? model ?? task) && (
        <Button
          variant="subtle"
          color="gray"
          leftSection={<IconX size={16} />}
          className={classes.clear}
          onClick={() => onChange({})}
        >
          {t('filter.clear')}
        </Button>
      )}
    </div>
  );
}

function unique(values: (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))].sort();
}
