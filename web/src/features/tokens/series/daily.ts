/** Jobs by day, for the small charts. Days are those of UTC, as the server counts them. */
import type { UsagePoint } from '@/api/generated';

const DAY_MS = 86_400_000;

export interface Day {
  /** When it begins. */
  at: number;
  jobs: number;
}

/** The last `days` days up to `now`, those without jobs too. */
export function lastDays(points: readonly UsagePoint[], days: number, now: number): Day[] {
  const today = Math.floor(now / DAY_MS);
  const jobs = new Map<number, number>();
  for (const { starts_at, used } of points) {
    const day = Math.floor(Date.parse(starts_at) / DAY_MS);
    jobs.set(day, (jobs.get(day) ?? 0) + used.requests);
  }
  return Array.from({ length: days }, (_, index) => {
    const day = today - days + 1 + index;
    return { at: day * DAY_MS, jobs: jobs.get(day) ?? 0 };
  });
}

export function sumOf(days: readonly Day[]): number {
  return days.reduce((sum, { jobs }) => sum + jobs, 0);
}
