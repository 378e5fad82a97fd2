/** A job as it goes, for a component. */
import { useEffect, useReducer } from 'react';
import type { Job } from '@/api/generated';
import { fold, isFinal, type JobState, unseen } from './state';

/** `job` as it was last answered; another id begins anew, undefined follows nothing. */
export function useJobStream(job: Job | undefined): JobState {
  const [state, tell] = useReducer(fold, unseen);
  const id = job?.id;

  useEffect(() => {
    if (!job) return;
    tell({ type: 'start', job });
    if (isFinal(job)) return;
    const leaving = new AbortController();
    const follow = async () => {
      try {
        // Most visits to the playground run nothing at once.
        const { followJob } = await import('./follow');
        for await (const event of followJob(job.id, leaving.signal)) tell(event);
      } catch (error) {
        if (!leaving.signal.aborted) tell({ type: 'failure', error });
      }
    };
    void follow();
    return () => leaving.abort();
    // A job is told by its id; its other members are news of the stream.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [id]);

  return job && state.job?.id === id ? state : { ...unseen, job };
}
