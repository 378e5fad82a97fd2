import { describe, expect, it } from 'vitest';
import { type Call, codeLanguages, snippet } from './snippets';

const call: Call = {
  server: 'https://ai.example.org',
  model: 'smollm2',
  task: 'chat',
  input: { messages: [{ role: 'user', content: 'It’s "so"' }], logprobs: true },
  how: 'wait',
};
const image = 'data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQ';

describe.each(codeLanguages)('%s', (language) => {
  it.each(['wait', 'stream', 'key'] as const)('%s', (how) => {
    expect(snippet(language, { ...call, how })).toMatchSnapshot();
  });

  it('reads a picture from a file', () => {
    const code = snippet(language, { ...call, task: undefined, input: { image, top_k: 3 } });
    expect(code).not.toContain('/9j/');
    expect(code).toContain('image.jpg');
    expect(code).toMatchSnapshot();
  });
});

describe('a token that is named', () => {
  it.each([
    ['curl', '# LAMPLIGHTER_TOKEN: tok_1 my laptop (…a1b2)\ncurl -s '],
    ['rust', '// LAMPLIGHTER_TOKEN: tok_1 my laptop (…a1b2)\n// cargo add '],
  ] as const)('stands in one line at the top of %s', (language, start) => {
    const code = snippet(language, { ...call, token: 'tok_1 my\nlaptop (…a1b2)' });
    expect(code.startsWith(start)).toBe(true);
  });
});

describe('curl with a file', () => {
  it('keeps what is special to the shell in the rest of the input as it is', () => {
    const code = snippet('curl', { ...call, task: undefined, input: { image, letters: '$`\\' } });
    expect(code).toContain(String.raw`"letters": "\$\`\\\\"`);
    expect(code).toContain('$(base64 < image.jpg');
  });
});
