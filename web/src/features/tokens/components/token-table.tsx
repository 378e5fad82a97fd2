/** The tokens. On narrow screens what has no column of its own stands under the name. */
import { Box, Group, Stack, Table, Text, UnstyledButton } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { type Day, sumOf } from '../series/daily';
import { DayBars } from './day-bars';
import { type TokenAction, TokenMenu } from './token-menu';
import { TokenStatus } from './token-status';
import classes from './token-table.module.css';

interface TokenTableProps {
  tokens: readonly Token[];
  /** Undefined while it is on its way. */
  daysOf?: (id: string) => Day[];
  now: number;
  onChoose: (action: TokenAction, token: Token) => void;
}

export function TokenTable({ tokens, daysOf, now, onChoose }: TokenTableProps) {
  const { t } = useTranslation('tokens');
  return (
    <Table
      verticalSpacing="md"
      horizontalSpacing="md"
      borderColor="var(--app-border)"
      className={classes.table}
    >
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('list.name')}</Table.Th>
          <Table.Th visibleFrom="sm">{t('list.status')}</Table.Th>
          <Table.Th visibleFrom="sm">{t('list.expires')}</Table.Th>
          <Table.Th visibleFrom="md">{t('list.lastUsed')}</Table.Th>
          <Table.Th visibleFrom="xs">{t('list.usage')}</Table.Th>
          <Table.Th>
            <span className={classes.unseen}>{t('list.actions')}</span>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {tokens.map((token) => (
          <Row
            key={token.id}
            token={token}
            days={daysOf?.(token.id)}
            now={now}
            onChoose={(action) => onChoose(action, token)}
          />
        ))}
      </Table.Tbody>
    </Table>
  );
}

interface RowProps {
  token: Token;
  days: Day[] | undefined;
  now: number;
  onChoose: (action: TokenAction) => void;
}

function Row({ token, days, now, onChoose }: RowProps) {
  const { t } = useTranslation('tokens');
  const format = useFormat();
  const end = token.revoked_at ?? token.expires_at;
  return (
    <Table.Tr data-ended={token.status !== 'active'} className={classes.row}>
      <Table.Td className={classes.name}>
        <Stack gap={2}>
          <Group gap={8} wrap="nowrap">
            <Text fw={600} truncate>
              {token.name}
            </Text>
            {token.last4 && (
              <Text span size="xs" c="dimmed" ff="monospace" translate="no">
                …{token.last4}
              </Text>
            )}
          </Group>
          <Text size="xs" c="dimmed" truncate>
            {token.models?.join(', ') ?? t('list.allModels')}
            {token.plan && ` · ${t('list.plan', { plan: token.plan })}`}
          </Text>
          <Group hiddenFrom="sm" gap={8} mt={4}>
            <TokenStatus token={token} now={now} />
            <Text size="xs" c="dimmed">
              {format.relative(end)}
            </Text>
          </Group>
        </Stack>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <TokenStatus token={token} now={now} />
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Text size="sm" title={format.date(end)}>
          {format.relative(end)}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="md">
        <Text
          size="sm"
          c={token.last_used_at ? undefined : 'dimmed'}
          title={token.last_used_at && format.date(token.last_used_at)}
        >
          {token.last_used_at ? format.relative(token.last_used_at) : t('list.never')}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="xs">
        <UnstyledButton
          className={classes.spark}
          onClick={() => onChoose('usage')}
          aria-label={t('list.openUsage', { name: token.name })}
        >
          {days && (
            <>
              <Box w={104} visibleFrom="sm">
                <DayBars days={days} label={t('spark', { count: sumOf(days) })} />
              </Box>
              <Text size="sm" className="tabular" c="dimmed">
                {format.number(sumOf(days))}
              </Text>
            </>
          )}
        </UnstyledButton>
      </Table.Td>
      <Table.Td className={classes.menu}>
        <TokenMenu token={token} onChoose={onChoose} />
      </Table.Td>
    </Table.Tr>
  );
}
