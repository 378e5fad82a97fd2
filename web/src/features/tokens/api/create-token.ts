/** Makes a token. The answer is the only one that has its text. */
import { useQueryClient } from '@tanstack/react-query';
import { createToken, type CreateToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useCreateToken() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateToken) => createToken({ body }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
    // The secret is kept by who shows it, not by the cache.
    gcTime: 0,
  });
}
