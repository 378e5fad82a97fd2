/** Whether a token may be used: a dot of a colour, and always a word. */
import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { endsSoon } from '../expiry/expiry';

const colors = { active: 'teal', soon: 'orange', expired: 'gray', revoked: 'gray' } as const;

export function TokenStatus({ token, now }: { token: Token; now: number }) {
  const { t } = useTranslation('tokens');
  const long = Date.parse(token.expires_at) - Date.parse(token.created_at);
  // A token that was made for a day is not news on that day.
  const soon = token.status === 'active' && long > WEEK_MS && endsSoon(token.expires_at, now);
  const state = soon ? 'soon' : token.status;
  return (
    <Badge
      component="span"
      variant="dot"
      color={colors[state]}
      tt="none"
      fw={500}
      miw="max-content"
      size="md"
    >
      {t(`status.${state}`)}
    </Badge>
  );
}

const WEEK_MS = 7 * 86_400_000;
