/** The same job as code, for four languages. Loaded when it is first opened. */
import { Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { CodeTabs } from '@/components/code/code-tabs';
import { useUser } from '@/lib/session';
import { allTokensQuery, labelOf } from '@/lib/tokens';

interface CodePanelProps {
  model: string;
  task: string | undefined;
  input: Record<string, unknown>;
}

/** Code with one that has ended would be refused. */
function liveTokens(tokens: readonly Token[]) {
  return tokens
    .filter(({ status }) => status === 'active')
    .map((token) => ({ id: token.id, label: labelOf(token) }));
}

export default function CodePanel({ model, task, input }: CodePanelProps) {
  const { t } = useTranslation('playground');
  const user = useUser();
  const { data: tokens = [] } = useQuery({ ...allTokensQuery, select: liveTokens, enabled: Boolean(user) });
  const [chosen, choose] = useState('');
  const token = tokens.find(({ id }) => id === chosen) ?? tokens[0];
  const server = window.location.origin;
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="flex-end">
        <Text size="sm" c="dimmed" maw={420}>
          {t('code.token')}
        </Text>
        {tokens.length > 0 && (
          <NativeSelect
            size="xs"
            label={t('code.which')}
            value={token?.id}
            onChange={(event) => choose(event.currentTarget.value)}
            data={tokens.map(({ id, label }) => ({ value: id, label: `${label} · ${id}` }))}
          />
        )}
      </Group>
      <CodeTabs
        label={t('result.code')}
        call={{ server, model, task, input, how: 'wait', token: token && `${token.id} ${token.label}` }}
      />
    </Stack>
  );
}
