import { describe, expect, it } from 'vitest';
import { fromFragment, hasMedia, toFragment } from './share-link';

describe('a share link', () => {
  it.each([
    [{ texts: ['a', 'é', '燈火 🏮'] }],
    [{ prompt: 'Once upon a time. '.repeat(500), top_k: 3 }],
    [{}],
  ])('gives back what went in', async (input) => {
    expect(await fromFragment(`#${await toFragment(input)}`)).toEqual(input);
  });

  it('is short for long texts, and leaves media out', async () => {
    expect((await toFragment({ prompt: 'Once upon a time. '.repeat(500) })).length).toBeLessThan(300);
    const input = { image: 'data:image/png;base64,AAAA', top_k: 3 };
    expect(hasMedia(input)).toBe(true);
    expect(await fromFragment(await toFragment(input))).toEqual({ top_k: 3 });
  });

  it.each(['', '#', '#input=', '#input=z!!!', '#input=pWzFd', '#input=zAAAA'])(
    '%j is no input',
    async (fragment) => {
      expect(await fromFragment(fragment)).toBeUndefined();
    },
  );

  it('that would unpack to very much is refused', async () => {
    const bomb = await toFragment({ prompt: 'a'.repeat(300_000) });
    expect(await fromFragment(bomb)).toBeUndefined();
  });
});
