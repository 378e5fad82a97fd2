import { describe, expect, it } from 'vitest';
import { stageBeside } from './stage';

describe('stageBeside', () => {
  it.each([
    ['Running', 'running', undefined],
    ['執行中', '執行中', undefined],
    ['Running', 'finding text', 'finding text'],
    ['Running', undefined, undefined],
  ])('%s, %s', (state, stage, said) => {
    expect(stageBeside(state, stage)).toBe(said);
  });
});
