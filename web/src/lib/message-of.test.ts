import { describe, expect, it } from 'vitest';
import { namesNumber } from './message-of';

describe('namesNumber', () => {
  it.each([
    ['Too many tries; come again in 5 s.', 5, true],
    ['5秒後に、もう一度お試しください。', 5, true],
    ['Only 15 jobs may wait.', 5, false],
    ['The server has more to do than it can.', 2, false],
  ])('%s: %i', (sentence, number, named) => {
    expect(namesNumber(sentence, number)).toBe(named);
  });
});
