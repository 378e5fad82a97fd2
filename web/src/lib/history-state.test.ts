import { describe, expect, it } from 'vitest';
import { alongOf } from './history-state';

describe('alongOf', () => {
  it('takes what is known from among what the router keeps', () => {
    const state = { key: 'k', __TSR_index: 2, email: 'ada@example.org', mailed: true };
    expect(alongOf(state)).toEqual({ email: 'ada@example.org', mailed: true });
  });

  it('is empty for a page that nothing came along to, and for what another app wrote', () => {
    expect(alongOf({ key: 'k' })).toEqual({});
    expect(alongOf(null)).toEqual({});
    expect(alongOf({ email: 7 })).toEqual({});
  });
});
