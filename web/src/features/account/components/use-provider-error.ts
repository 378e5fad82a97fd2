/** Why a login elsewhere did not work: the server sends back to `/login#error=CODE`. */
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

const KNOWN = [
  'link_required',
  'registration_closed',
  'account_disabled',
  'approval_pending',
  'email_not_verified',
] as const;

export function useProviderError(): string | undefined {
  const { t } = useTranslation('account');
  const [code] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get('error'));
  useEffect(() => {
    if (!code) return;
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
  }, [code]);
  if (!code) return undefined;
  const known = KNOWN.find((candidate) => candidate === code);
  return known ? t(`provider.${known}`) : t('provider.failed');
}
