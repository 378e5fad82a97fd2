/** What a token may do. */
import { Checkbox, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { scopes } from '../scopes';

interface ScopesFieldProps {
  value: string[];
  onChange: (value: string[]) => void;
  error?: React.ReactNode;
  /** Whether the person may administrate, and so may what they make. */
  admin: boolean;
}

export function ScopesField({ value, onChange, error, admin }: ScopesFieldProps) {
  const { t } = useTranslation('tokens');
  const offered = scopes.filter(({ scope }) => scope !== 'admin' || admin);
  return (
    <Checkbox.Group label={t('form.scopes')} value={value} onChange={onChange} error={error}>
      <Stack gap={10} mt={8}>
        {offered.map(({ scope, label }) => (
          <Checkbox
            key={scope}
            value={scope}
            label={t(`scope.${label}`)}
            description={label === 'tokensWrite' || label === 'admin' ? t(`scopeHint.${label}`) : undefined}
          />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}
