import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { once } from './once';

describe('once', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('asks once for two clicks, also where the second comes just after the answer', async () => {
    const call = vi.fn((body: { name: string }) => Promise.resolve(body.name));
    const create = once(call);
    const first = create({ name: 'laptop' });
    expect(await create({ name: 'laptop' })).toBe('laptop');
    expect(await first).toBe('laptop');
    await create({ name: 'laptop' });
    expect(call).toHaveBeenCalledTimes(1);
  });

  it('does it again for who wants it again', async () => {
    const call = vi.fn(() => Promise.resolve());
    const create = once(call);
    await create();
    await vi.advanceTimersByTimeAsync(600);
    await create();
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('tries again at once what failed', async () => {
    const call = vi.fn(() => Promise.reject(new Error('away')));
    const create = once(call);
    await expect(create()).rejects.toThrow('away');
    await expect(create()).rejects.toThrow('away');
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('lets something else through, and then the first again', async () => {
    const call = vi.fn((on: boolean) => Promise.resolve(on));
    const turn = once(call);
    await Promise.all([turn(true), turn(false), turn(true)]);
    expect(call.mock.calls).toEqual([[true], [false], [true]]);
  });
});
