/** One run after the other: submit, follow, cancel. */
import { useState } from 'react';
import type { Job, Model } from '@/api/generated';
import { newKey } from '@/lib/attempt';
import { isFinal } from '@/lib/job-stream/state';
import { useJobStream } from '@/lib/job-stream/use-job-stream';
import { useCancelJob } from '../../api/cancel-job';
import { useSubmitJob } from '../../api/submit-job';

export interface Run {
  job: Job;
  /** What was submitted; results are shown beside it. */
  input: Record<string, unknown>;
}

/** How a run is shown comes while it is being submitted. */
export const loadRunView = () => import('./run-view');

export function useRun() {
  const [run, setRun] = useState<Run>();
  const submission = useSubmitJob();
  const cancellation = useCancelJob();
  const state = useJobStream(run?.job);

  const start = async (model: Model, task: string, input: Record<string, unknown>) => {
    void loadRunView();
    cancellation.reset();
    setRun(undefined);
    const job = await submission.mutateAsync({ model: model.id, task, input, key: newKey() });
    setRun({ job, input });
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
    forget: () => {
      submission.reset();
      setRun(undefined);
    },
  };
}

export type RunControl = ReturnType<typeof useRun>;
