/** What was used with a token: now, in all, and day by day. */
import { Paper, SimpleGrid, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { TokenUsage } from '@/api/generated';
import { Figure } from '@/components/figure';
import { useFormat } from '@/lib/use-format';
import { type Day, lastDays, sumOf } from '../series/daily';
import { DayBars } from './day-bars';
import classes from './token-used.module.css';

const DAYS = 30;

export function TokenUsed({ usage, now }: { usage: TokenUsage; now: number }) {
  const { t } = useTranslation('tokens');
  const format = useFormat();
  const days = lastDays(usage.data, DAYS, now);
  const describe = ({ at, jobs }: Day) => `${format.day(at)}: ${t('jobs', { count: jobs })}`;
  const { totals } = usage;
  const [first, last] = [days[0], days.at(-1)];
  if (totals.requests === 0 && usage.used_today === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('usage.none')}
      </Text>
    );
  }
  const figures: [name: string, value: string][] = [
    [t('usage.hour'), format.number(usage.used_this_hour)],
    [t('usage.today'), format.number(usage.used_today)],
    [t('usage.total'), format.number(totals.requests)],
    [t('usage.success'), totals.requests ? format.percent(totals.succeeded / totals.requests) : '–'],
    [t('usage.tokens'), format.number(totals.tokens)],
    [t('usage.compute'), format.duration(totals.compute_ms)],
  ];
  return (
    <Stack gap="lg">
      <SimpleGrid cols={{ base: 2, xs: 3 }} spacing="xs" component="dl" m={0}>
        {figures.map(([name, value]) => (
          <Paper key={name} className={classes.figure}>
            <Figure name={name} value={value} />
          </Paper>
        ))}
      </SimpleGrid>
      <Stack gap={8}>
        <Text size="sm" fw={550}>
          {t('usage.perDay')}
        </Text>
        <DayBars days={days} height={72} label={t('spark', { count: sumOf(days) })} describe={describe} />
        <div className={classes.axis}>
          <span>{first && format.day(first.at)}</span>
          <span>{last && format.day(last.at)}</span>
        </div>
      </Stack>
    </Stack>
  );
}
