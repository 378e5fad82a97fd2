/** The languages of the app, and which one a visitor gets. */
export const languages = [
  { code: 'en', name: 'English' },
  { code: 'zh-Hant', name: '繁體中文' },
  { code: 'ja', name: '日本語' },
] as const;

export type Language = (typeof languages)[number]['code'];

const KEY = 'lamplighter.language';

export function isLanguage(value: unknown): value is Language {
  return languages.some(({ code }) => code === value);
}

/** The language that fits a list of wishes (BCP 47, best first) best; English where none does. */
export function matchLanguage(wishes: readonly string[]): Language {
  for (const wish of wishes) {
    const primary = wish.toLowerCase().split('-')[0];
    if (primary === 'en') return 'en';
    if (primary === 'ja') return 'ja';
    if (primary === 'zh') return 'zh-Hant';
  }
  return 'en';
}

export function initialLanguage(): Language {
  const kept = localStorage.getItem(KEY);
  return isLanguage(kept) ? kept : matchLanguage(navigator.languages);
}

export function keepLanguage(language: Language) {
  localStorage.setItem(KEY, language);
}
