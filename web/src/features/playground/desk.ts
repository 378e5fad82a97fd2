/** What stands on the playground, by model and task: it outlasts a look at another model or page. */
import { useSyncExternalStore } from 'react';
import { isStillOf } from '@/lib/session';
import { forgetInTab } from '@/lib/tab-memory';
import { leaveDesk, type Run, takeDesk } from './kept-desk';
import type { Values } from './schema/values';

let owner: string | null | undefined;
const drafts = new Map<string, Values>();
const runs = new Map<string, Run>();
const listeners = new Set<() => void>();

export function placeOf(model: string, task: string): string {
  return `${model} ${task}`;
}

/** Nobody finds what somebody else left. Guests who log in keep what they wrote; their runs stay the guest's. */
export function claimDesk(user: string | null, loginEnded: boolean) {
  // Who is gone without having meant to comes back, and goes on.
  if (user === owner || (loginEnded && owner !== undefined)) return;
  if (owner === undefined) comeBack(user);
  else runs.clear();
  if (owner) drafts.clear();
  owner = user;
}

function comeBack(user: string | null) {
  const desk = takeDesk(user);
  for (const [place, values] of desk.drafts) drafts.set(place, values);
  for (const [place, run] of desk.runs) runs.set(place, run);
  addEventListener('pagehide', () => {
    if (owner !== undefined && isStillOf(owner)) leaveDesk(owner, { drafts: [...drafts], runs: [...runs] });
    else forgetInTab();
  });
}

export function draftAt(place: string): Values | undefined {
  return drafts.get(place);
}

export function keepDraft(place: string, values: Values) {
  drafts.set(place, values);
}

export function keepRun(place: string, run: Run | undefined) {
  if (run) runs.set(place, run);
  else runs.delete(place);
  for (const tell of listeners) tell();
}

/** The run of a place, also one whose answer came while another was looked at. */
export function useRunAt(place: string): Run | undefined {
  return useSyncExternalStore(listen, () => runs.get(place));
}

function listen(tell: () => void) {
  listeners.add(tell);
  return () => listeners.delete(tell);
}
