/** Invites somebody. The answer has the secret, once. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createInvitation, type NewInvitation } from '@/api/generated';
import { invitationsQuery } from './list-invitations';

export function useCreateInvitation() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (invitation: NewInvitation) => createInvitation({ body: invitation }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey }),
  });
}
