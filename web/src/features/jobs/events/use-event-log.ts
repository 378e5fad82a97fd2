/** The log of a job that is followed, for as long as it is looked at. */
import { useEffect, useReducer } from 'react';
import { type JobState, unseen } from '@/lib/job-stream/state';
import { type Entry, newsOf, withNews } from './log';

interface Seen {
  state: JobState;
  log: readonly Entry[];
}

const nothing: Seen = { state: unseen, log: [] };

function note(seen: Seen, { state, at }: { state: JobState; at: number }): Seen {
  const another = seen.state.job?.id !== state.job?.id;
  return {
    state,
    log: withNews(another ? [] : seen.log, newsOf(another ? undefined : seen.state, state), at),
  };
}

export function useEventLog(state: JobState): readonly Entry[] {
  const [seen, tell] = useReducer(note, nothing);
  useEffect(() => tell({ state, at: Date.now() }), [state]);
  return seen.log;
}
