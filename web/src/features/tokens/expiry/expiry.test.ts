import { describe, expect, it } from 'vitest';
import { range, secondsOf } from './expiry';

const now = new Date(2026, 10, 30, 12, 0, 0).getTime();

describe('secondsOf', () => {
  it('knows presets', () => {
    expect(secondsOf('hour', '', now)).toEqual({ seconds: 3600 });
    expect(secondsOf('year', '2026-12-01', now)).toEqual({ seconds: 365 * 86_400 });
  });

  it('counts to the end of the day that was chosen', () => {
    expect(secondsOf('custom', '2026-11-30', now)).toEqual({ seconds: 12 * 3600 - 1 });
  });

  it.each([
    ['', 'dateRequired'],
    ['tomorrow', 'dateRequired'],
    ['2026-11-29', 'datePast'],
    ['2027-12-31', 'dateFar'],
  ])('refuses %j', (date, fault) => {
    expect(secondsOf('custom', date, now)).toEqual({ fault });
  });

  it('takes both ends of what the date field offers', () => {
    const { min, max } = range(now);
    expect(min).toBe('2026-11-30');
    expect(secondsOf('custom', min, now)).toHaveProperty('seconds');
    expect(secondsOf('custom', max, now)).toHaveProperty('seconds');
  });
});
