/** Runs a job again, as a new one. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { retryJob } from '@/api/generated';

export function useRetryJob(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => retryJob({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['jobs', 'list'] }),
  });
}
