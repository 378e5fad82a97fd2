/** Translations: one file a language and feature area, loaded when first asked for. */
import i18n, { type BackendModule } from 'i18next';
import { initReactI18next } from 'react-i18next';
import { env } from '@/config/env';
import { initialLanguage, isLanguage, keepLanguage, languages } from './languages';

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

/** For a route's loader: the texts come together with the page's code, not after it. */
export function texts(...namespaces: string[]) {
  return () => i18n.loadNamespaces(namespaces);
}

export { i18n };
