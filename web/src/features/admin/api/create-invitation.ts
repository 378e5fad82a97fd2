/** Invites somebody. The answer has the secret, once. */
import { useQueryClient } from '@tanstack/react-query';
import { createInvitation, type NewInvitation } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { invitationsQuery } from './list-invitations';

export function useCreateInvitation() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (invitation: NewInvitation) => createInvitation({ body: invitation }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey }),
  });
}
