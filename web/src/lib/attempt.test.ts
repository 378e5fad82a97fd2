import { describe, expect, it } from 'vitest';
import { newKey, worthSendingAgain } from './attempt';
import { ApiError } from './problem';

describe('newKey', () => {
  it('is another one each time', () => {
    const keys = Array.from({ length: 50 }, newKey);
    expect(new Set(keys).size).toBe(50);
    expect(keys[0]).toMatch(/^[\da-f]{32}$/);
  });
});

describe('worthSendingAgain', () => {
  it.each([
    [0, new TypeError('no connection'), true],
    [3, new TypeError('no connection'), false],
    [0, new ApiError(502, 'of a proxy'), true],
    [0, new ApiError(503, 'too busy', 'overloaded'), false],
    [0, new ApiError(422, 'wrong', 'validation_failed'), false],
  ])('after %i failures: %s', (failures, error, again) => {
    expect(worthSendingAgain(failures, error)).toBe(again);
  });
});
