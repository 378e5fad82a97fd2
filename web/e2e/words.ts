/** The texts of the app, as the tests need them: what a page may say, and what it must never show. */
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

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
  // A key of one word can't be told from the word; that it is the same in every language tells on it (`foreign`).
  return keys.flatMap((key) => (key.includes('.') ? [key, `${area}:${key}`] : [`${area}:${key}`]));
});

/** What a page in another language may say as the English one does, whole: names, and what programs read. */
const SAME = new Set([
  ...[
    'Lamplighter',
    'English',
    'API',
    'JSON',
    'OpenAPI',
    'openapi.json',
    'Python',
    'TypeScript',
    'Rust',
    'curl',
  ],
  // Models, plans, devices; options that go by these names everywhere; keys.
  ...['minilm', 'mtcnn', 'echo', 'guest', 'basic', 'pro', 'unlimited', 'cpu'],
  ...['Top-k', 'Top-p', 'Min-p', 'Ctrl', 'Enter'],
  // Types of JSON.
  ...['string', 'boolean', 'object', 'string[]', 'array[]'],
  // What the tests themselves named and wrote, and what a model's example says.
  ...['laptop', 'Wei', 'The quick brown fox', 'jumps over the lazy dog'],
  // Nobody sees or hears it: where Mantine measures a field.
  'autosize measurement',
  ...[hostname(), `${hostname()}-embedded`],
]);
/** The same, by their form. */
const SAME_FORMS = [
  // An address of mail, alone or as the name of a page; the first two letters of one.
  /^\S+@\S+( · Lamplighter)?$/,
  /^(ME|AD)$/,
  // Ids, how they look, and a digest; scopes; what a browser calls itself.
  /^[a-z]+_([0-9a-z]{8,}|…)( \/ [a-z]+_…)*$/,
  /^[0-9a-f]{64}$/,
  /^\w+:\w+(, \w+:\w+)*$/,
  /^Playwright\//,
  // A token of theirs, with its last characters.
  /^laptop \(….{4}\)$/,
  // A number with its unit.
  /^[\d.,\s/]+(ms|s|min|h|B|kB|KiB|MB|MiB|GB|GiB|%)$/,
];

/** Texts with a word in it that two languages have alike, though nothing here says they may. */
export function foreign(texts: readonly string[], english: readonly string[]): string[] {
  const there = new Set(english);
  const wrong = texts.filter(
    (text) =>
      there.has(text) &&
      /[A-Za-z]{2,}/.test(text) &&
      !SAME.has(text) &&
      !SAME_FORMS.some((form) => form.test(text)),
  );
  return [...new Set(wrong)];
}
