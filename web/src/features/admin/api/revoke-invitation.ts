/** Takes an invitation back. */
import { useQueryClient } from '@tanstack/react-query';
import { revokeInvitation } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { invitationsQuery } from './list-invitations';

export function useRevokeInvitation() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => revokeInvitation({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey }),
  });
}
