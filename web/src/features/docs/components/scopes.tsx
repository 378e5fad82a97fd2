/** What a token may be allowed. */
import { Code } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { PlainTable } from './plain-table';

const scopes = {
  'jobs:write': 'jobsWrite',
  'jobs:read': 'jobsRead',
  'models:read': 'modelsRead',
  'account:read': 'accountRead',
  'tokens:write': 'tokensWrite',
  admin: 'admin',
} as const;

export function ScopeTable() {
  const { t } = useTranslation('docs');
  return (
    <PlainTable
      label={t('scopes.table')}
      head={[t('scopes.scope'), t('scopes.allows')]}
      rows={Object.entries(scopes).map(([scope, key]) => [
        scope,
        <Code key="scope">{scope}</Code>,
        t(`scopes.${key}`),
      ])}
    />
  );
}
