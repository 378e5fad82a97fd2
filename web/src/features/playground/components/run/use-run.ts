/** One run after the other: submit, follow, cancel. */
import { useEffect } from 'react';
import type { Model } from '@/api/generated';
import { ahead } from '@/lib/ahead';
import { useAttempt } from '@/lib/attempt';
import { useCancelJob } from '@/lib/cancel-job';
import { isFinal } from '@/lib/job-stream/state';
import { useJobStream } from '@/lib/job-stream/use-job-stream';
import { useSubmitJob } from '../../api/submit-job';
import { keepRun, useRunAt } from '../../desk';

/** How a run is shown comes while it is being submitted. */
export const loadRunView = () => import('./run-view');
export const loadRunStatus = () => import('./run-status');

export function useRun(place: string) {
  const run = useRunAt(place);
  const submission = useSubmitJob();
  const attempt = useAttempt();
  const cancellation = useCancelJob();
  const state = useJobStream(run?.job);

  // Whoever comes back to it sees its end at once; only the stream's end brings the output.
  const done = state.connection === 'closed' && state.failure === undefined;
  const ended = run && !isFinal(run.job) && done ? state.job : undefined;
  useEffect(() => {
    if (run && ended) keepRun(place, { ...run, job: ended });
  }, [place, run, ended]);

  const start = async (model: Model, task: string, input: Record<string, unknown>) => {
    ahead(loadRunView);
    ahead(loadRunStatus);
    cancellation.reset();
    keepRun(place, undefined);
    const key = attempt.key(JSON.stringify([model.id, task, input]));
    try {
      const job = await submission.mutateAsync({ model: model.id, task, input, key });
      attempt.end();
      keepRun(place, { job, input });
    } catch (error) {
      attempt.end(error);
      throw error;
    }
  };
  const busy =
    submission.isPending || (run !== undefined && !isFinal(state.job) && state.failure === undefined);
  return {
    run,
    state,
    busy,
    error: submission.error ?? cancellation.error ?? state.failure,
    canceling: cancellation.isPending || state.job?.cancel_requested_at !== undefined,
    start,
    cancel: () => run && cancellation.mutate(run.job.id),
  };
}

export type RunControl = ReturnType<typeof useRun>;
