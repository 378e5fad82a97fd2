/** The limits that a plan sets, by the names that answers give them. */
import { Code } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { PlainTable } from './plain-table';

const policies = ['burst', 'hourly', 'daily', 'waiting', 'inflight'] as const;

export function LimitTable() {
  const { t } = useTranslation('docs');
  return (
    <PlainTable
      label={t('limits.table')}
      head={[t('limits.policy'), t('limits.what'), t('limits.beyond')]}
      rows={policies.map((policy) => [
        policy,
        <Code key="policy">{policy}</Code>,
        t(`limits.${policy}`),
        policy === 'inflight' ? (
          t('limits.wait')
        ) : (
          <>
            429 <Code>{policy === 'burst' ? 'rate_limited' : 'quota_exceeded'}</Code>
          </>
        ),
      ])}
    />
  );
}
