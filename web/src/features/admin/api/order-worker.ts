/** Orders to a worker: finish and wait, leave the memory too, or go on. */
import { useQueryClient } from '@tanstack/react-query';
import { drainWorker, maintainWorker, resumeWorker } from '@/api/generated';
import { modelsQuery } from '@/lib/models';
import { useMutation } from '@/lib/use-mutation';
import { workersQuery } from './list-workers';

export type WorkerOrder = 'drain' | 'maintenance' | 'resume';

const operations = { drain: drainWorker, maintenance: maintainWorker, resume: resumeWorker };

export function useOrderWorker() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, order }: { id: string; order: WorkerOrder }) => operations[order]({ path: { id } }),
    // Which models are served follows from the workers.
    onSuccess: () =>
      Promise.all(
        [workersQuery, modelsQuery].map(({ queryKey }) => queryClient.invalidateQueries({ queryKey })),
      ),
  });
}
