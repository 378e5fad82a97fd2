import { describe, expect, it } from 'vitest';
import type { UsagePoint } from '@/api/generated';
import { startOf, stepsFrom } from './range';
import { largest, overTime, sharesOf } from './series';

const day = (date: string) => Date.parse(`${date}T00:00:00Z`);
const point = (date: string, model: string, requests: number) =>
  ({
    starts_at: `${date}T00:00:00.000Z`,
    model,
    used: { requests, compute_ms: requests * 10 },
  }) as UsagePoint;

const points = [
  point('2026-11-28', 'a', 1),
  point('2026-11-28', 'b', 5),
  point('2026-11-30', 'a', 2),
  point('2026-11-30', 'c', 4),
];

describe('ranges', () => {
  it('end with the step of now', () => {
    const from = startOf('week', Date.parse('2026-11-30T18:00:00Z'));
    const steps = stepsFrom('week', from);
    expect(steps).toHaveLength(7);
    expect(steps[0]).toBe(day('2026-11-24'));
    expect(steps.at(-1)).toBe(day('2026-11-30'));
  });
});

describe('shares', () => {
  it('are added up, the largest first', () => {
    expect(sharesOf(points, 'model', 'requests')).toEqual([
      { key: 'b', value: 5 },
      { key: 'c', value: 4 },
      { key: 'a', value: 3 },
    ]);
    expect(sharesOf(points, 'model', 'compute')[0]).toEqual({ key: 'b', value: 50 });
  });

  it('of what was done while logged in have a key of their own', () => {
    expect(sharesOf(points, 'token', 'requests')).toEqual([{ key: '', value: 12 }]);
  });

  it('beyond a number are put together', () => {
    const shares = sharesOf(points, 'model', 'requests');
    expect(largest(shares, 3)).toEqual(shares);
    expect(largest(shares, 2)).toEqual([
      { key: 'b', value: 5 },
      { key: undefined, value: 7 },
    ]);
  });
});

describe('overTime', () => {
  it('has every step, and puts the rest together', () => {
    const shares = largest(sharesOf(points, 'model', 'requests'), 2);
    const steps = [day('2026-11-28'), day('2026-11-29'), day('2026-11-30')];
    expect(overTime(points, 'model', 'requests', shares, steps).map(({ values }) => values)).toEqual([
      [5, 1],
      [0, 0],
      [0, 6],
    ]);
  });
});
