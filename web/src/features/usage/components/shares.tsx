/** Shares of a sum as bars, the largest first. */
import { Card, Group, Progress, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Usage, UsageGroup } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { type Measure, sharesOf } from '../series/series';
import classes from './shares.module.css';
import { useMeasure } from './use-measure';
import { useNames } from './use-names';

interface SharesProps {
  usage: Usage;
  by: UsageGroup;
  measure: Measure;
}

export function Shares({ usage, by, measure }: SharesProps) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  const inWords = useMeasure(measure);
  const nameOf = useNames(by);
  const shares = sharesOf(usage.data, by, measure);
  const sum = shares.reduce((all, { value }) => all + value, 0);
  return (
    <Card component="section" aria-labelledby={`usage-by-${by}`}>
      <Stack gap="md">
        <Title id={`usage-by-${by}`} order={2} fz="md">
          {t(`share.${by}`)}
        </Title>
        {shares.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('empty.title')}
          </Text>
        )}
        <ul className={classes.list}>
          {shares.map(({ key, value }) => (
            <li key={key}>
              <Group justify="space-between" wrap="nowrap" gap="sm" mb={4}>
                <Text size="sm" truncate>
                  {nameOf(key)}
                </Text>
                <Text size="sm" className={classes.value}>
                  {inWords(value)}{' '}
                  <Text span size="xs" c="dimmed">
                    {format.percent(value / sum)}
                  </Text>
                </Text>
              </Group>
              <Progress value={(value / sum) * 100} size="sm" color="amber.5" aria-hidden />
            </li>
          ))}
        </ul>
      </Stack>
    </Card>
  );
}
