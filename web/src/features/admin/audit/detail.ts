/** The part of an entry's detail that can be said in a line: from what to what, or the one thing that matters. */
import * as z from 'zod/mini';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const change = z.object({ from: scalar, to: scalar });
/** Named in this order; the first that is there is told. */
const TELLING = ['name', 'order', 'reason', 'step', 'provider'] as const;

export function sayDetail(detail: unknown): string | undefined {
  const changed = change.safeParse(detail);
  if (changed.success) return `${String(changed.data.from)} → ${String(changed.data.to)}`;
  const known = z.record(z.string(), z.unknown()).safeParse(detail);
  if (!known.success) return undefined;
  const told = TELLING.map((key) => scalar.safeParse(known.data[key])).filter(({ success }) => success);
  const words = told.map(({ data }) => String(data));
  return words.length > 0 ? words.join(' · ') : undefined;
}
