/** Quota and rate at a glance: how much of this hour, of today and of now is used. */
import { Card, Group, Progress, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Allowance, Usage } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { planQuery } from '../api/get-plan';

/** From here on it is said that little is left. */
const ALMOST = 0.9;

export function Allowances({ usage }: { usage: Usage }) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  const { limit: perModel } = usage.running;
  return (
    <Stack component="section" gap="sm" aria-labelledby="usage-now">
      <Group justify="space-between" gap="xs" align="baseline">
        <Title id="usage-now" order={2} fz="lg">
          {t('now.title')}
        </Title>
        <Rate plan={usage.plan} />
      </Group>
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing={{ base: 'xs', sm: 'md' }}>
        <Meter name={t('now.hour')} allowance={usage.this_hour} />
        <Meter name={t('now.today')} allowance={usage.today} />
        <Meter name={t('now.waiting')} allowance={usage.waiting} />
        <Figure
          name={t('now.running')}
          value={format.number(usage.running.used)}
          hint={perModel ? t('now.perModel', { limit: format.number(perModel) }) : t('now.unlimited')}
        />
      </SimpleGrid>
    </Stack>
  );
}

function Meter({ name, allowance: { used, limit } }: { name: string; allowance: Allowance }) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  if (!limit) return <Figure name={name} value={format.number(used)} hint={t('now.unlimited')} />;
  const share = used / limit;
  const left = t('now.left', { count: format.number(Math.max(0, limit - used)) });
  const hint = share >= ALMOST ? `${left} · ${t('now.almost')}` : left;
  return (
    <Figure
      name={name}
      value={format.number(used)}
      of={t('now.of', { limit: format.number(limit) })}
      hint={hint}
      share={share}
    />
  );
}

interface FigureProps {
  name: string;
  value: string;
  of?: string;
  hint: string;
  share?: number;
}

function Figure({ name, value, of, hint, share }: FigureProps) {
  return (
    <Card padding="md">
      <Stack gap={6} h="100%">
        <Text size="sm" c="dimmed">
          {name}
        </Text>
        <Text fz={26} fw={650} lh={1.1} className="tabular">
          {value}{' '}
          {of && (
            <Text span size="sm" c="dimmed" fw={400}>
              {of}
            </Text>
          )}
        </Text>
        {share !== undefined && (
          <Progress
            value={share * 100}
            size="sm"
            color={share >= ALMOST ? 'red.7' : 'amber.5'}
            aria-label={`${name}: ${value} ${of ?? ''}`}
          />
        )}
        <Text size="xs" c="dimmed">
          {hint}
        </Text>
      </Stack>
    </Card>
  );
}

function Rate({ plan }: { plan: string }) {
  const { t } = useTranslation('usage');
  const format = useFormat();
  const { data } = useQuery(planQuery(plan));
  const { requests_per_minute: minute, burst } = data ?? {};
  return (
    <Text size="sm" c="dimmed">
      {t('now.plan', { plan })}
      {minute !== undefined && ' · '}
      {minute === 0 && t('now.rateUnlimited')}
      {minute
        ? t('now.rate', {
            minute: format.number(minute),
            burst: format.number(burst === 0 ? minute : (burst ?? minute)),
          })
        : ''}
    </Text>
  );
}
