/** A paragraph of the guide; `<c>…</c>` in its text is code, `<b>…</b>` matters. */
import { Code, Text } from '@mantine/core';
import { Trans } from 'react-i18next';
import type en from '@/locales/en/docs.json';

export type Paragraph = `text.${keyof (typeof en)['text']}`;

export function Words({ text }: { text: Paragraph }) {
  return (
    <Text maw={720}>
      <Trans ns="docs" i18nKey={text} components={{ c: <Code fz="0.92em" />, b: <strong /> }} />
    </Text>
  );
}
