/** What happens to the job while one looks on, the latest first. */
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import type { Entry } from '../events/log';
import classes from './event-log.module.css';
import { usePlace } from './use-place';

export function EventLog({ entries }: { entries: readonly Entry[] }) {
  const { t, i18n } = useTranslation('jobs');
  const words = useWords();
  const time = new Intl.DateTimeFormat(i18n.language, { timeStyle: 'medium' });
  if (entries.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('event.none')}
      </Text>
    );
  }
  return (
    <ol className={classes.log} reversed tabIndex={0} aria-label={t('section.events')}>
      {entries.toReversed().map((entry) => (
        <li key={entry.number} className={classes.entry}>
          <time dateTime={new Date(entry.at).toISOString()} className={classes.time}>
            {time.format(entry.at)}
          </time>
          <span>{words(entry)}</span>
        </li>
      ))}
    </ol>
  );
}

function useWords() {
  const { t } = useTranslation('jobs');
  const format = useFormat();
  const place = usePlace();
  return (entry: Entry): string => {
    switch (entry.kind) {
      case 'status':
        return t('event.status', { status: t(`status.${entry.status}`) });
      case 'place':
        return place(entry.position, entry.atLeast);
      case 'progress': {
        const percent = format.percent(entry.fraction, 0);
        return entry.stage
          ? t('event.progressStage', { percent, stage: entry.stage })
          : t('event.progress', { percent });
      }
      case 'text':
        return t('event.text', { count: entry.length });
      case 'output':
        return t('event.output', { count: entry.count });
      case 'restarted':
        return t('event.restarted');
      case 'connection':
        return entry.state === 'open' ? t('event.open') : t('event.lost');
    }
  };
}
