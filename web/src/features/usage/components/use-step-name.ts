/** What a step of the time is called: days are those of UTC, hours are shown by the reader's clock. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { grainOf, type Range } from '../series/range';

export function useStepName(range: Range) {
  const language = useTranslation().i18n.language;
  return useMemo(() => {
    const format =
      grainOf(range) === 'hour'
        ? new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' })
        : new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric', timeZone: 'UTC' });
    return (at: number) => format.format(at);
  }, [language, range]);
}
