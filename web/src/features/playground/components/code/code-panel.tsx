/** The same job as code, for four languages. Loaded when it is first opened. */
import '@mantine/code-highlight/styles.css';
import {
  CodeHighlight,
  CodeHighlightAdapterProvider,
  createHighlightJsAdapter,
} from '@mantine/code-highlight';
import { Group, NativeSelect, Stack, Tabs, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import typescript from 'highlight.js/lib/languages/typescript';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { env } from '@/config/env';
import { useUser } from '@/lib/session';
import { tokenNamesQuery } from '../../api/list-token-names';
import { type CodeLanguage, snippet } from '../../code/snippets';

hljs.registerLanguage('bash', bash);
hljs.registerLanguage('python', python);
hljs.registerLanguage('rust', rust);
hljs.registerLanguage('typescript', typescript);
const adapter = createHighlightJsAdapter(hljs);

const languages: { id: CodeLanguage; name: string; highlight: string }[] = [
  { id: 'curl', name: 'curl', highlight: 'bash' },
  { id: 'python', name: 'Python', highlight: 'python' },
  { id: 'typescript', name: 'TypeScript', highlight: 'typescript' },
  { id: 'rust', name: 'Rust', highlight: 'rust' },
];

interface CodePanelProps {
  model: string;
  task: string | undefined;
  input: Record<string, unknown>;
}

export default function CodePanel({ model, task, input }: CodePanelProps) {
  const { t } = useTranslation('playground');
  const user = useUser();
  const { data: tokens = [] } = useQuery({ ...tokenNamesQuery, enabled: Boolean(user) });
  const [token, setToken] = useState('');
  const server = env.apiBase || window.location.origin;
  const job = { server, model, task, input, token: token || tokens[0]?.label };
  return (
    <CodeHighlightAdapterProvider adapter={adapter}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-end">
          <Text size="sm" c="dimmed" maw={420}>
            {t('code.token')}
          </Text>
          {tokens.length > 0 && (
            <NativeSelect
              size="xs"
              label={t('code.which')}
              value={token || tokens[0]?.label}
              onChange={(event) => setToken(event.currentTarget.value)}
              data={tokens.map(({ label }) => label)}
            />
          )}
        </Group>
        <Tabs defaultValue="curl" variant="pills" keepMounted={false}>
          <Tabs.List mb="sm" aria-label={t('code.language')}>
            {languages.map(({ id, name }) => (
              <Tabs.Tab key={id} value={id}>
                {name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {languages.map(({ id, highlight }) => (
            <Tabs.Panel key={id} value={id}>
              <CodeHighlight
                code={snippet(id, job)}
                language={highlight}
                radius="md"
                copyLabel={t('code.copy')}
                copiedLabel={t('code.copied')}
              />
            </Tabs.Panel>
          ))}
        </Tabs>
      </Stack>
    </CodeHighlightAdapterProvider>
  );
}
