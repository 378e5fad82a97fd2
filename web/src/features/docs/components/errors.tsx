/** What goes wrong, and what to do about it. */
import { Code } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { PlainTable } from './plain-table';

const groups = [
  { status: '400', codes: ['malformed_request'], key: 'malformed' },
  { status: '401', codes: ['unauthorized'], key: 'unauthorized' },
  { status: '403', codes: ['insufficient_scope', 'model_not_allowed'], key: 'forbidden' },
  { status: '404', codes: ['not_found'], key: 'missing' },
  { status: '409', codes: ['job_active', 'job_finished', 'conflict'], key: 'conflict' },
  { status: '422', codes: ['validation_failed', 'unknown_model'], key: 'invalid' },
  { status: '429', codes: ['rate_limited', 'quota_exceeded'], key: 'limited' },
  { status: '503', codes: ['unavailable', 'queue_full'], key: 'unavailable' },
  { status: '503', codes: ['model_unavailable'], key: 'off' },
] as const;

export function ErrorTable() {
  const { t } = useTranslation('docs');
  return (
    <PlainTable
      label={t('errors.table')}
      head={[t('errors.status'), t('errors.code'), t('errors.todo')]}
      rows={groups.map(({ status, codes, key }) => [
        key,
        status,
        <>
          {codes.map((code) => (
            <div key={code}>
              <Code>{code}</Code>
            </div>
          ))}
        </>,
        t(`errors.${key}`),
      ])}
    />
  );
}
