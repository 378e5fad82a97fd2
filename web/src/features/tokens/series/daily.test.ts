import { describe, expect, it } from 'vitest';
import type { UsagePoint } from '@/api/generated';
import { lastDays, sumOf } from './daily';

const point = (starts_at: string, requests: number) => ({ starts_at, used: { requests } }) as UsagePoint;
const now = Date.parse('2026-03-02T00:30:00Z');

describe('lastDays', () => {
  it('has every day, the latest last, and adds up what falls on one', () => {
    const days = lastDays(
      [
        point('2026-02-27T00:00:00Z', 9),
        point('2026-02-28T00:00:00Z', 2),
        point('2026-03-02T00:00:00Z', 3),
        point('2026-03-02T00:00:00Z', 4),
      ],
      3,
      now,
    );
    expect(days.map(({ jobs }) => jobs)).toEqual([2, 0, 7]);
    expect(new Date(days[0]?.at ?? 0).toISOString()).toBe('2026-02-28T00:00:00.000Z');
    expect(sumOf(days)).toBe(9);
  });
});
