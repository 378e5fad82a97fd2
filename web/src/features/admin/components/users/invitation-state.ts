/** Whether an invitation is still good. */
import type { Invitation } from '@/api/generated';

export type InvitationState = 'open' | 'used' | 'revoked' | 'expired';

export function invitationState(invitation: Invitation, now = Date.now()): InvitationState {
  if (invitation.used_at) return 'used';
  if (invitation.revoked_at) return 'revoked';
  return new Date(invitation.expires_at).getTime() <= now ? 'expired' : 'open';
}
