/** Series of numbers from the points of the server. */
import type { UsageGroup, UsagePoint } from '@/api/generated';

export const measures = ['requests', 'tokens', 'compute'] as const;
export type Measure = (typeof measures)[number];

/** What was done while logged in has no token. */
export const WEB = '';

export interface Share {
  /** The model, or the token; undefined for what is put together. */
  key: string | undefined;
  value: number;
}

/** A step of the time, with the value of each share in the order of the shares. */
export interface Step {
  at: number;
  values: number[];
}

function valueOf({ used }: UsagePoint, measure: Measure): number {
  return measure === 'compute' ? used.compute_ms : used[measure];
}

function keyOf(point: UsagePoint, by: UsageGroup): string {
  return point[by] ?? WEB;
}

/** The largest first. */
export function sharesOf(points: readonly UsagePoint[], by: UsageGroup, measure: Measure): Share[] {
  const sums = new Map<string, number>();
  for (const point of points) {
    const key = keyOf(point, by);
    sums.set(key, (sums.get(key) ?? 0) + valueOf(point, measure));
  }
  return [...sums]
    .map(([key, value]) => ({ key, value }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || a.key.localeCompare(b.key));
}

/** At most so many; what is left becomes one share without a key. */
export function largest(shares: readonly Share[], most: number): Share[] {
  if (shares.length <= most) return [...shares];
  const value = shares.slice(most - 1).reduce((sum, share) => sum + share.value, 0);
  return [...shares.slice(0, most - 1), { key: undefined, value }];
}

/** The shares over time; steps without jobs are there with zeros. */
export function overTime(
  points: readonly UsagePoint[],
  by: UsageGroup,
  measure: Measure,
  shares: readonly Share[],
  steps: readonly number[],
): Step[] {
  const places = new Map(shares.map(({ key }, place) => [key, place]));
  const rest = places.get(undefined);
  const rows = new Map(steps.map((at) => [at, { at, values: shares.map(() => 0) }]));
  for (const point of points) {
    const values = rows.get(Date.parse(point.starts_at))?.values;
    const place = places.get(keyOf(point, by)) ?? rest;
    if (values && place !== undefined) values[place] = (values[place] ?? 0) + valueOf(point, measure);
  }
  return [...rows.values()];
}
