/** What stands on the desk goes along when the tab leaves, for a login elsewhere say, and when it is loaded anew. */
import * as z from 'zod/mini';
import type { Job } from '@/api/generated';
import { forgetInTab, keepInTab, takeFromTab } from '@/lib/tab-memory';
import type { Values } from './schema/values';

export interface Run {
  job: Job;
  /** What was submitted; results are shown beside it. */
  input: Record<string, unknown>;
}

export interface Desk {
  drafts: [string, Values][];
  runs: [string, Run][];
}

/** In characters; where the whole does not fit, pictures, sounds and long outputs stay behind. */
const SMALL = 50_000;

const record = z.record(z.string(), z.unknown());
// Written by this app, of which it may have been another version.
const job = z.looseObject({ id: z.string(), status: z.string(), model: z.string(), task: z.string() });
const kept = z.object({
  /** Null for guests. */
  owner: z.nullable(z.string()),
  drafts: z.array(z.tuple([z.string(), record])),
  runs: z.array(
    z.tuple([z.string(), z.object({ job: job as unknown as z.ZodMiniType<Job>, input: record })]),
  ),
});

export function leaveDesk(owner: string | null, { drafts, runs }: Desk) {
  // Whatever was there is of an earlier time.
  forgetInTab();
  if (drafts.length + runs.length === 0) return;
  const small = { drafts: drafts.filter(isSmall), runs: runs.filter(isSmall) };
  for (const desk of [{ drafts, runs }, small]) {
    if (keepInTab(JSON.stringify({ owner, ...desk }))) return;
  }
}

/** Whose it is has to ask for it, and only once. Whoever logs in takes what a guest wrote, but not their runs. */
export function takeDesk(owner: string | null): Desk {
  const text = takeFromTab();
  const desk = text === undefined ? undefined : kept.safeParse(JSON.parse(text)).data;
  if (desk?.owner === owner) return { drafts: desk.drafts, runs: desk.runs };
  return { drafts: desk?.owner === null ? desk.drafts : [], runs: [] };
}

function isSmall(entry: [string, unknown]): boolean {
  return JSON.stringify(entry).length <= SMALL;
}
