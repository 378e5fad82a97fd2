import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { lacksAnEnd } from './runs';

const ONE = '2026-11-30T06:00:01Z';
const TWO = '2026-11-30T06:00:02Z';
const waiting = { id: 'job_1', status: 'queued', attempt: 0, attempts: [] } as unknown as Job;
const running = { ...waiting, status: 'processing', attempt: 1, started_at: ONE } as Job;
const again = { ...running, status: 'queued' } as Job;
const second = { ...running, attempt: 2, started_at: TWO } as Job;
const open = { number: 1, worker: 'desk', started_at: ONE };
const lost = { ...open, ended_at: TWO, outcome: 'lost' as const };

describe('lacksAnEnd', () => {
  it('is so once a run that the answer does not know the end of is over', () => {
    expect(lacksAnEnd(waiting, again)).toBe(true);
    expect(lacksAnEnd({ ...running, attempts: [open] }, again)).toBe(true);
    expect(lacksAnEnd({ ...running, attempts: [open] }, second)).toBe(true);
    expect(lacksAnEnd(waiting, second)).toBe(true);
    const handedBack = { ...second, attempt: 1 };
    expect(lacksAnEnd({ ...running, attempts: [open] }, handedBack)).toBe(true);
  });

  it('is not so in a first run, nor where all ends are known', () => {
    expect(lacksAnEnd(waiting, waiting)).toBe(false);
    expect(lacksAnEnd(waiting, running)).toBe(false);
    expect(lacksAnEnd({ ...running, attempts: [open] }, running)).toBe(false);
    expect(lacksAnEnd({ ...again, attempts: [lost] }, again)).toBe(false);
    expect(lacksAnEnd({ ...again, attempts: [lost] }, second)).toBe(false);
  });
});
