/** Makes `t('…')` a type error where the key is missing. A new area is one line here. */
import type account from '../locales/en/account.json';
import type admin from '../locales/en/admin.json';
import type common from '../locales/en/common.json';
import type docs from '../locales/en/docs.json';
import type home from '../locales/en/home.json';
import type jobs from '../locales/en/jobs.json';
import type playground from '../locales/en/playground.json';
import type tokens from '../locales/en/tokens.json';
import type usage from '../locales/en/usage.json';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common';
    resources: {
      account: typeof account;
      admin: typeof admin;
      common: typeof common;
      docs: typeof docs;
      home: typeof home;
      jobs: typeof jobs;
      playground: typeof playground;
      tokens: typeof tokens;
      usage: typeof usage;
    };
  }
}
