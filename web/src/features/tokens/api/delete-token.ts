/** Revokes a token and takes it off the list. */
import { useQueryClient } from '@tanstack/react-query';
import { deleteToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useDeleteToken() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => deleteToken({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
  });
}
