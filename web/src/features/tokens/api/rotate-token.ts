/** Makes a new token in the place of one. The answer is the only one that has its text. */
import { useQueryClient } from '@tanstack/react-query';
import { rotateToken, type RotateToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useRotateToken(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: RotateToken) => rotateToken({ path: { id }, body }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tokens'] }),
    gcTime: 0,
  });
}
