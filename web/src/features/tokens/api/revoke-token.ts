/** Revokes a token; it stays on the list. */
import { useQueryClient } from '@tanstack/react-query';
import { revokeToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useRevokeToken() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => revokeToken({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
  });
}
