/** Periods, and the steps that they are shown in. Hours and days are those of UTC, as the server counts. */
import type { UsageGrain } from '@/api/generated';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const ranges = ['day', 'week', 'month', 'quarter'] as const;
export type Range = (typeof ranges)[number];

const steps: Record<Range, { grain: UsageGrain; ms: number; count: number }> = {
  day: { grain: 'hour', ms: HOUR_MS, count: 24 },
  week: { grain: 'day', ms: DAY_MS, count: 7 },
  month: { grain: 'day', ms: DAY_MS, count: 30 },
  quarter: { grain: 'day', ms: DAY_MS, count: 90 },
};

export function grainOf(range: Range): UsageGrain {
  return steps[range].grain;
}

/** The begin of the first step; the last one is the hour or day of `now`. */
export function startOf(range: Range, now: number): number {
  const { ms, count } = steps[range];
  return (Math.floor(now / ms) - count + 1) * ms;
}

/** The beginnings of all steps. */
export function stepsFrom(range: Range, from: number): number[] {
  const { ms, count } = steps[range];
  return Array.from({ length: count }, (_, index) => from + index * ms);
}
