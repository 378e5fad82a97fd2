/** Asks to cancel a job; what becomes of it, its stream tells. */
import { useMutation } from '@tanstack/react-query';
import { cancelJob } from '@/api/generated';
import { isApiError } from '@/lib/problem';

export function useCancelJob() {
  return useMutation({
    mutationFn: async (id: string) => {
      try {
        await cancelJob({ path: { id } });
      } catch (error) {
        // It ended by itself in between.
        if (!isApiError(error, 'job_finished')) throw error;
      }
    },
  });
}
