/** The texts of the app, as the tests need them: what a page may say, and what it must never show. */
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../src/locales/en/', import.meta.url);

function keysOf(texts: object, prefix = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? keysOf(value, `${prefix}${key}.`)
      : [prefix + key.replace(/_(zero|one|two|few|many|other)$/, '')],
  );
}

/** Every key that stands for a text, as it would be shown if the text were missing. */
export const textKeys: string[] = readdirSync(folder).flatMap((file) => {
  const keys = keysOf(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as object);
  const area = file.replace(/\.json$/, '');
  // A key of one word can't be told from the word.
  return keys.filter((key) => key.includes('.')).flatMap((key) => [key, `${area}:${key}`]);
});
