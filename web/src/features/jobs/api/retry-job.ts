/** Runs a job again, as a new one; safe to repeat. */
import { useQueryClient } from '@tanstack/react-query';
import { retryJob } from '@/api/generated';
import { worthSendingAgain } from '@/lib/attempt';
import { useMutation } from '@/lib/use-mutation';

export function useRetryJob(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => retryJob({ path: { id }, headers: { 'Idempotency-Key': key } }),
    retry: worthSendingAgain,
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['jobs', 'list'] }),
  });
}
