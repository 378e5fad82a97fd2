/** Asks to cancel a job. One that waits is canceled at once, one that runs when its worker has stopped it. */
import { useQueryClient } from '@tanstack/react-query';
import { cancelJob } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { isApiError } from './problem';

export function useCancelJob() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      try {
        await cancelJob({ path: { id } });
      } catch (error) {
        // It ended by itself in between.
        if (!isApiError(error, 'job_finished')) throw error;
      }
    },
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['jobs'] }),
  });
}
