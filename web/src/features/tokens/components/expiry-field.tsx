/** How long a token is to be good for: presets, or a last day. */
import { Chip, Group, Input, Text, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import { CUSTOM, expiries, type Expiry, range, secondsOf } from '../expiry/expiry';

interface ExpiryFieldProps {
  label: string;
  value: Expiry;
  onChange: (value: Expiry) => void;
  date: string;
  onDateChange: (date: string) => void;
  error?: React.ReactNode;
  now: number;
}

export function ExpiryField({ label, value, onChange, date, onDateChange, error, now }: ExpiryFieldProps) {
  const { t } = useTranslation('tokens');
  const format = useFormat();
  const length = secondsOf(value, date, now);
  return (
    <Input.Wrapper label={label} labelElement="div" role="radiogroup" aria-label={label}>
      <Chip.Group value={value} onChange={(next) => onChange(next)}>
        <Group gap={8} mt={6}>
          {expiries.map((expiry) => (
            <Chip key={expiry} value={expiry} size="sm" variant="outline">
              {t(`expiry.${expiry}`)}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      {value === CUSTOM && (
        <TextInput
          type="date"
          mt="sm"
          label={t('form.date')}
          {...range(now)}
          value={date}
          onChange={(event) => onDateChange(event.currentTarget.value)}
          error={error}
        />
      )}
      {value !== CUSTOM && error && <Input.Error mt={6}>{error}</Input.Error>}
      {'seconds' in length && (
        <Text size="xs" c="dimmed" mt={8}>
          {t('form.ends', { date: format.date(new Date(now + length.seconds * 1000)) })}
        </Text>
      )}
    </Input.Wrapper>
  );
}
