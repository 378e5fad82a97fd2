/** A password to be set, with how well it holds. */
import type { PasswordInputProps } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { PasswordField } from './password-field';

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
      <PasswordField autoComplete="new-password" description={t('password.hint')} {...props} value={value} />
      {value !== '' && (
        <Suspense fallback={null}>
          <PasswordStrength password={value} personal={personal} />
        </Suspense>
      )}
    </div>
  );
}
