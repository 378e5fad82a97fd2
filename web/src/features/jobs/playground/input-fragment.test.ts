import { describe, expect, it } from 'vitest';
import { hasMedia, inputFragment } from './input-fragment';

function read(fragment: string): unknown {
  const code = new URLSearchParams(fragment).get('input') ?? '';
  expect(code.startsWith('p')).toBe(true);
  return JSON.parse(Buffer.from(code.slice(1), 'base64url').toString('utf8'));
}

describe('inputFragment', () => {
  it.each([
    [{ texts: ['a', 'é', '燈火 🏮', '???>>>'] }],
    [{ prompt: 'Once upon a time. '.repeat(500) }],
    [{}],
  ])('can be read again', (input) => {
    expect(read(inputFragment(input))).toEqual(input);
    expect(inputFragment(input)).toMatch(/^input=[\w-]+$/);
  });

  it('leaves media out', () => {
    const input = { image: 'data:image/png;base64,AAAA', top_k: 3 };
    expect(hasMedia(input)).toBe(true);
    expect(read(inputFragment(input))).toEqual({ top_k: 3 });
  });
});
