/** Lets a mail that was given up wait again. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { retryMail } from '@/api/generated';

export function useRetryMail() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => retryMail({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['admin', 'outbox'] }),
  });
}
