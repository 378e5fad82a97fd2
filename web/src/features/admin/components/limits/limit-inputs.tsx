/** The fields of limits, the same for a plan and for a token. */
import { Checkbox, Group, NumberInput, SimpleGrid } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useAmounts } from '../../format/use-amounts';
import { allPriorities, type LimitField, limitFields } from './limits';

interface LimitInputsProps {
  /** The properties of a field of the form. */
  propsOf: (field: LimitField | 'priorities') => object;
  /** What an empty field means. */
  placeholder?: string;
  prioritiesHint?: string;
}

const MOST_WEIGHT = 1000;

export function LimitInputs({ propsOf, placeholder, prioritiesHint }: LimitInputsProps) {
  const { t } = useTranslation('admin');
  const { thousands } = useAmounts();
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md" verticalSpacing="sm">
        {limitFields.map((field) => (
          <NumberInput
            key={field}
            label={t(`limit.${field}`)}
            description={t(`limitHint.${field}`)}
            placeholder={placeholder}
            min={field === 'weight' ? 1 : 0}
            max={field === 'weight' ? MOST_WEIGHT : undefined}
            allowDecimal={false}
            allowNegative={false}
            thousandSeparator={thousands}
            clampBehavior="none"
            {...propsOf(field)}
          />
        ))}
      </SimpleGrid>
      <Checkbox.Group label={t('limit.priorities')} description={prioritiesHint} {...propsOf('priorities')}>
        <Group gap="lg" mt="xs">
          {allPriorities.map((priority) => (
            <Checkbox key={priority} value={priority} label={t(`priority.${priority}`)} />
          ))}
        </Group>
      </Checkbox.Group>
    </>
  );
}
