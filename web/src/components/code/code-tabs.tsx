/** The same in four languages. Which one is chosen is remembered, and holds for all of them. */
import { Tabs } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { useTranslation } from 'react-i18next';
import { type Call, type CodeLanguage, codeLanguages, snippet } from '@/lib/snippets/snippets';
import { CodeBlock } from './code-block';
import classes from './code.module.css';

const names: Record<CodeLanguage, string> = {
  curl: 'curl',
  python: 'Python',
  typescript: 'TypeScript',
  rust: 'Rust',
};
const syntax = { curl: 'bash', python: 'python', typescript: 'typescript', rust: 'rust' } as const;

function isCodeLanguage(value: string | null | undefined): value is CodeLanguage {
  return codeLanguages.some((language) => language === value);
}

export function CodeTabs({ call, label }: { call: Call; label: string }) {
  const { t } = useTranslation();
  const [kept, keep] = useLocalStorage({
    key: 'lamplighter.code',
    defaultValue: 'curl',
    getInitialValueInEffect: false,
  });
  const language = isCodeLanguage(kept) ? kept : 'curl';
  return (
    <Tabs
      value={language}
      onChange={(next) => isCodeLanguage(next) && keep(next)}
      variant="pills"
      radius="xl"
      keepMounted={false}
    >
      <Tabs.List className={classes.tabs} aria-label={t('code.languages')}>
        {codeLanguages.map((name) => (
          <Tabs.Tab key={name} value={name} size="xs">
            {names[name]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {codeLanguages.map((name) => (
        <Tabs.Panel key={name} value={name}>
          <CodeBlock code={snippet(name, call)} language={syntax[name]} label={`${label}, ${names[name]}`} />
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
