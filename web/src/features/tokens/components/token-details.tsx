/** All that is known of a token, but for its text. */
import { Code, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { Fact, FactTable, Identifier } from '@/components/fact-table';
import { useFormat } from '@/lib/use-format';
import { scopes } from '../scopes';

export function TokenDetails({ token }: { token: Token }) {
  const { t } = useTranslation('tokens');
  const format = useFormat();
  const named = scopes.filter(({ scope }) => token.scopes.includes(scope));
  const used = token.last_used_at ? format.date(token.last_used_at) : t('list.never');
  return (
    <FactTable>
      <Fact name={t('usage.id')}>
        <Identifier text={token.id} />
      </Fact>
      {token.last4 && (
        <Fact name={t('usage.ending')}>
          <Code>{token.last4}</Code>
        </Fact>
      )}
      <Fact name={t('usage.created')}>{format.date(token.created_at)}</Fact>
      {token.revoked_at ? (
        <Fact name={t('usage.revoked')}>{format.date(token.revoked_at)}</Fact>
      ) : (
        <Fact name={t('list.expires')}>{format.date(token.expires_at)}</Fact>
      )}
      <Fact name={t('list.lastUsed')}>{used}</Fact>
      {token.last_used_address && <Fact name={t('usage.from')}>{token.last_used_address}</Fact>}
      <Fact name={t('usage.scopes')}>
        {named.map(({ scope, label }) => (
          <Text key={scope} size="sm">
            {t(`scope.${label}`)}
          </Text>
        ))}
      </Fact>
      <Fact name={t('form.models')}>{token.models?.join(', ') ?? t('list.allModels')}</Fact>
      {token.plan && <Fact name={t('form.plan')}>{token.plan}</Fact>}
      {token.rotated_to && (
        <Fact name={t('usage.replaced')}>
          <Identifier text={token.rotated_to} />
        </Fact>
      )}
    </FactTable>
  );
}
