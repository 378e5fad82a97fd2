/** `format.ts` in the language of the page. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import * as format from './format';

export function useFormat() {
  const language = useTranslation().i18n.language;
  return useMemo(
    () => ({
      number: (value: number, digits?: number) => format.formatNumber(language, value, digits),
      percent: (fraction: number, digits?: number) => format.formatPercent(language, fraction, digits),
      duration: (ms: number) => format.formatDuration(language, ms),
      bytes: (bytes: number) => format.formatBytes(language, bytes),
      date: (value: string | Date) => format.formatDate(language, value),
      day: (value: string | number | Date) => format.formatDay(language, value),
      hour: (value: string | number | Date) => format.formatHour(language, value),
      relative: (value: string | Date) => format.formatRelative(language, value),
    }),
    [language],
  );
}
