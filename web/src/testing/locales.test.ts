/** All languages say the same things, and everything the code asks for is said. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { languages } from '@/lib/languages';

const source = join(import.meta.dirname, '..');
const locales = join(source, 'locales');

interface Texts {
  [key: string]: string | Texts;
}

/** `a.b.c` of every text, with the placeholders in it. */
function flatten(texts: Texts, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === 'string') flat.set(prefix + key, value);
    else for (const [inner, text] of flatten(value, `${prefix}${key}.`)) flat.set(inner, text);
  }
  return flat;
}

function read(language: string, file: string) {
  return flatten(JSON.parse(readFileSync(join(locales, language, file), 'utf8')) as Texts);
}

function placeholders(text = ''): string[] {
  return [...text.matchAll(/\{\{(\w+)\}\}|<\/?(\d+|\w+)>/g)].map(([whole]) => whole).sort();
}

const files = readdirSync(join(locales, 'en')).sort();

describe.each(languages.map(({ code }) => code))('%s', (language) => {
  it('has the files of English', () => {
    expect(readdirSync(join(locales, language)).sort()).toEqual(files);
  });

  it.each(files)('%s has the keys of English, with the same placeholders', (file) => {
    const english = read('en', file);
    const texts = read(language, file);
    expect([...texts.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of texts) {
      expect(text.trim(), `${file} ${key}`).not.toBe('');
      expect(placeholders(text), `${file} ${key}`).toEqual(placeholders(english.get(key)));
    }
  });
});

/** Source files, but for generated ones and tests. */
function sources(): string[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.includes('generated') && !file.includes('.test.'))
    .map((file) => join(source, file));
}

describe('the code', () => {
  const known = new Set<string>();
  for (const file of files) {
    for (const key of read('en', file).keys()) known.add(`${file.replace('.json', '')}:${key}`);
  }

  it.each(sources())('%s asks for no missing key', (file) => {
    const text = readFileSync(file, 'utf8');
    const code = text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
    const declared = /useTranslation\(\s*\[?\s*'([\w-]+)'/.exec(text)?.[1] ?? 'common';
    for (const [, key = ''] of code.matchAll(/\bt\(\s*'([^'$]+)'/g)) {
      const full = key.includes(':') ? key : `${declared}:${key}`;
      const found = [full, `${full}_one`, `${full}_other`].some((candidate) => known.has(candidate));
      expect(found, full).toBe(true);
    }
  });
});
