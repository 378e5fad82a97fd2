/** Revokes a token and takes it off the list. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { deleteToken } from '@/api/generated';

export function useDeleteToken() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => deleteToken({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
  });
}
