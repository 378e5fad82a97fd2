import { describe, expect, it } from 'vitest';
import { ApiError } from '@/lib/problem';
import { atTop, changesOf, fromValues, toValues } from './limits';

const values = toValues({ burst: 0, waiting: 5, priorities: ['low'] });

describe('limits', () => {
  it('keep a zero, which means something else than nothing', () => {
    expect(values.burst).toBe(0);
    expect(values.weight).toBe('');
    expect(fromValues(values)).toEqual({ burst: 0, waiting: 5, priorities: ['low'] });
  });

  it('are none where all is empty', () => {
    expect(fromValues(toValues({}))).toEqual({});
  });

  it('tell only what differs', () => {
    const before = { burst: 3, weight: 2, priorities: ['low', 'normal'] as const };
    const plan = { ...before, priorities: [...before.priorities] };
    expect(changesOf(plan, { ...plan, burst: 4, priorities: ['normal', 'low'] })).toEqual({ burst: 4 });
    expect(changesOf(plan, { ...plan, priorities: [] })).toEqual({ priorities: [] });
  });

  it('find their fields where they stood deeper in the body', () => {
    const error = new ApiError(422, 'no', 'validation_failed', [
      { pointer: '/limits/weight', detail: 'at most 1000' },
    ]);
    expect(atTop(error)).toMatchObject({
      status: 422,
      fields: [{ pointer: '/weight', detail: 'at most 1000' }],
    });
    expect(atTop('else')).toBe('else');
  });
});
