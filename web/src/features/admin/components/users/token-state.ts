/** Whether a token may still be used. */
import type { TokenStatus, UserToken } from '@/api/generated';

export function tokenState(token: UserToken, now = Date.now()): TokenStatus {
  if (token.revoked_at) return 'revoked';
  return new Date(token.expires_at).getTime() <= now ? 'expired' : 'active';
}
