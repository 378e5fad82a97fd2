/** What is checked before anything is sent; the server judges again. */
import { useTranslation } from 'react-i18next';

export function useChecks() {
  const { t } = useTranslation('account');
  return {
    email: (value: string) => (/^\S+@\S+$/.test(value.trim()) ? null : t('check.email')),
    required: (value: string) => (value === '' ? t('check.required') : null),
    code: (value: string) => (/^\d{6}$/.test(value.trim()) ? null : t('check.code')),
  };
}
