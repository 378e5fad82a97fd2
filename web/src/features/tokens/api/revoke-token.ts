/** Revokes a token; it stays on the list. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { revokeToken } from '@/api/generated';

export function useRevokeToken() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => revokeToken({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
  });
}
