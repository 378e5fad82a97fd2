/** What was written goes along when the tab leaves, for a login elsewhere say, and when it is loaded anew. */
import { z } from 'zod';
import type { Values } from './schema/values';

const KEY = 'lamplighter.drafts';
/** In characters; where the whole does not fit, pictures and sounds stay behind. */
const SMALL = 50_000;

const keptDrafts = z.object({
  /** Null for guests. */
  owner: z.string().nullable(),
  drafts: z.array(z.tuple([z.string(), z.record(z.string(), z.unknown())])),
});

export function leaveDrafts(owner: string | null, drafts: Iterable<[string, Values]>) {
  const all = [...drafts];
  const small = all.filter(([, values]) => JSON.stringify(values).length <= SMALL);
  for (const some of [all, small]) {
    if (some.length > 0 && store(JSON.stringify({ owner, drafts: some }))) return;
  }
}

/** Whose they are has to ask for them, and only once. What a guest left is for whoever logs in. */
export function takeDrafts(owner: string | null): [string, Values][] {
  const text = sessionStorage.getItem(KEY);
  if (text === null) return [];
  sessionStorage.removeItem(KEY);
  const kept = keptDrafts.safeParse(JSON.parse(text)).data;
  return kept && (kept.owner === null || kept.owner === owner) ? kept.drafts : [];
}

function store(text: string): boolean {
  try {
    sessionStorage.setItem(KEY, text);
    return true;
  } catch {
    // It is full.
    return false;
  }
}
