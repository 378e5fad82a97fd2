/** Submits a job; safe to repeat, so a lost answer costs nothing. */
import { createJob, type CreateJob } from '@/api/generated';
import { worthSendingAgain } from '@/lib/attempt';
import { useMutation } from '@/lib/use-mutation';

export interface Submission extends Pick<CreateJob, 'model' | 'task' | 'input'> {
  key: string;
}

export function useSubmitJob() {
  return useMutation({
    mutationFn: ({ key, ...body }: Submission) => createJob({ body, headers: { 'Idempotency-Key': key } }),
    retry: worthSendingAgain,
  });
}
