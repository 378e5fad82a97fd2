/** What the examples are about where whoever reads may see no model: those that come with the server. */
export interface Example {
  model: string;
  task?: string | undefined;
  input: Record<string, unknown>;
}

export const firstExample: Example = {
  model: 'minilm',
  input: { texts: ['The quick brown fox', 'jumps over the lazy dog'] },
};

export const streamExample: Example = {
  model: 'smollm2',
  task: 'chat',
  input: { messages: [{ role: 'user', content: 'What is the capital of France?' }] },
};
