/** What a plan allows. */
import { Badge, Button, Card, Group, Stack, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPencil } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Plan } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { type Fact, Facts } from '../facts';
import { limitFields } from '../limits/limits';
import { PlanForm } from './plan-form';

export function PlanCard({ plan }: { plan: Plan }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const [opened, { open, close }] = useDisclosure();
  // A form begins with the plan as it is when it is opened.
  const [times, setTimes] = useState(0);
  const edit = () => {
    setTimes(times + 1);
    open();
  };
  const say = (field: (typeof limitFields)[number]) => {
    if (plan[field] > 0) return format.number(plan[field]);
    return field === 'burst' ? t('plan.oneMinute') : t('plan.noLimit');
  };
  const label = (field: (typeof limitFields)[number] | 'priorities') =>
    plan.changed.includes(field) ? `${t(`limit.${field}`)} *` : t(`limit.${field}`);
  const facts: Fact[] = [
    ...limitFields.map((field): Fact => [label(field), say(field)]),
    [label('priorities'), plan.priorities.map((priority) => t(`priority.${priority}`)).join(t('comma'))],
  ];
  return (
    <Card component="article" aria-label={plan.name}>
      <Stack gap="sm" h="100%">
        <Group justify="space-between" gap="sm">
          <Group gap="sm">
            <Title order={2} fz="lg">
              {plan.name}
            </Title>
            {plan.changed.length > 0 && (
              <Badge variant="light" tt="none" fw={500}>
                {t('plan.changed')}
              </Badge>
            )}
          </Group>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPencil size={15} />}
            onClick={edit}
            aria-label={t('plan.editNamed', { name: plan.name })}
          >
            {t('plan.edit')}
          </Button>
        </Group>
        <Facts facts={facts} />
      </Stack>
      {times > 0 && <PlanForm key={times} plan={plan} opened={opened} onClose={close} />}
    </Card>
  );
}
