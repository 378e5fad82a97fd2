/** `amounts.ts` in the language of the page. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import * as amounts from './amounts';

export function useAmounts() {
  const language = useTranslation().i18n.language;
  return useMemo(
    () => ({
      memory: (bytes: number) => amounts.formatMemory(language, bytes),
      thousands: amounts.thousandsSeparator(language),
      span: (seconds: number) => amounts.formatSpan(language, seconds),
    }),
    [language],
  );
}
