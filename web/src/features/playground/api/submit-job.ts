/** Submits a job; safe to repeat, so a lost answer costs nothing. */
import { useMutation } from '@tanstack/react-query';
import { createJob, type CreateJob } from '@/api/generated';
import { ApiError } from '@/lib/problem';

const TRIES = 3;

export interface Submission extends Pick<CreateJob, 'model' | 'task' | 'input'> {
  key: string;
}

export function useSubmitJob() {
  return useMutation({
    mutationFn: ({ key, ...body }: Submission) => createJob({ body, headers: { 'Idempotency-Key': key } }),
    // Only what never reached the server, or was refused for the moment.
    retry: (failures, error) =>
      failures < TRIES &&
      (error instanceof ApiError ? [502, 504].includes(error.status) : error instanceof TypeError),
  });
}
