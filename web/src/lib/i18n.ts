/** Translations: one file a language and feature area, loaded when first asked for. */
import i18n, { type BackendModule } from 'i18next';
import { initReactI18next } from 'react-i18next';
import { env } from '@/config/env';
import { initialLanguage, isLanguage, keepLanguage, type Language, languages } from './languages';

const files = import.meta.glob<Record<string, unknown>>('../locales/*/*.json', { import: 'default' });

const backend: BackendModule = {
  type: 'backend',
  init: () => undefined,
  read: (language, namespace, callback) => {
    const load = files[`../locales/${language}/${namespace}.json`];
    if (!load) {
      callback(new Error(`no texts ${language}/${namespace}`), null);
      return;
    }
    load().then(
      (texts) => callback(null, texts),
      (error: unknown) => callback(error as Error, null),
    );
  },
};

function show(language: string) {
  document.documentElement.lang = language;
}

i18n.on('languageChanged', (language) => {
  show(language);
  if (isLanguage(language)) keepLanguage(language);
});

void i18n
  .use(backend)
  .use(initReactI18next)
  .init({
    lng: initialLanguage(),
    supportedLngs: languages.map(({ code }) => code),
    // Every language has every key, by a test; so a second one need not be loaded.
    fallbackLng: false,
    // While the app is built: a text that is missing is told on the console.
    saveMissing: env.development,
    missingKeyHandler: (_, area, key) => console.error(`no text ${area}:${key}`),
    defaultNS: 'common',
    ns: ['common'],
    interpolation: { escapeValue: false },
    react: { useSuspense: true },
  });

/** Throws where they do not come: the library's own way ends well then, keeps it in mind, and shows keys for texts. */
async function load(language: string, namespaces: readonly string[]) {
  const missing = namespaces.filter((namespace) => !i18n.hasResourceBundle(language, namespace));
  const loaded = missing.map(async (namespace) => {
    const file = files[`../locales/${language}/${namespace}.json`];
    if (!file) throw new Error(`no texts ${language}/${namespace}`);
    i18n.addResourceBundle(language, namespace, await file());
  });
  await Promise.all(loaded);
}

/** For a route's loader: the texts come together with the page's code, not after it. */
export function texts(...namespaces: string[]) {
  // The first page may ask before the library has begun.
  const language = () => (i18n.language as string | undefined) ?? initialLanguage();
  return () => load(language(), ['common', ...namespaces]);
}

let wanted: Language | undefined;

/** Another language, once all texts are there that are shown in this one; else it throws, and everything stays as it is. */
export async function speak(language: Language) {
  wanted = language;
  await load(language, Object.keys(i18n.getDataByLanguage(i18n.language) ?? {}));
  // Meanwhile another one may have been chosen.
  if (wanted === language) await i18n.changeLanguage(language);
}

export { i18n };
