/** Lets a mail that was given up wait again. */
import { useQueryClient } from '@tanstack/react-query';
import { retryMail } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useRetryMail() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => retryMail({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['admin', 'outbox'] }),
  });
}
