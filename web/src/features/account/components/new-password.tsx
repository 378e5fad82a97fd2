/** A password to be set, with how well it holds. */
import { PasswordInput, type PasswordInputProps } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';

const PasswordStrength = lazy(() => import('./password-strength'));

interface NewPasswordProps extends PasswordInputProps {
  value: string;
  /** What must not be in it: the address, the name. */
  personal?: string[];
}

export function NewPassword({ value, personal = [], ...props }: NewPasswordProps) {
  const { t } = useTranslation('account');
  return (
    <div>
      <PasswordInput
        autoComplete="new-password"
        required
        description={t('password.hint')}
        visibilityToggleButtonProps={{ 'aria-label': t('password.show'), tabIndex: 0, 'aria-hidden': false }}
        {...props}
        value={value}
      />
      {value !== '' && (
        <Suspense fallback={null}>
          <PasswordStrength password={value} personal={personal} />
        </Suspense>
      )}
    </div>
  );
}
