import { describe, expect, it } from 'vitest';
import { type CodeLanguage, snippet } from './snippets';

const languages: CodeLanguage[] = ['curl', 'python', 'typescript', 'rust'];
const image = 'data:image/jpeg;base64,/9j/AAAA';

describe.each(languages)('%s', (language) => {
  it('says the same job', () => {
    const code = snippet(language, {
      server: 'https://ai.example.org',
      model: 'minilm',
      task: 'similarity',
      input: { texts: ['it’s "so"', 'b'], truncate: true },
      token: 'laptop (…a1b2)',
    });
    expect(code).toMatchSnapshot();
  });

  it('reads a picture from a file', () => {
    const code = snippet(language, {
      server: 'http://127.0.0.1:8080',
      model: 'm',
      input: { image, letters: '$`\\' },
    });
    expect(code).not.toContain('/9j/');
    expect(code).toMatchSnapshot();
  });
});
