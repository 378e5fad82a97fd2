/** A description of the server: what stands between backticks is code. */
import { Code } from '@mantine/core';

export function Marked({ text }: { text: string }) {
  return text.split('`').map((part, at) => (at % 2 === 1 ? <Code key={at}>{part}</Code> : part));
}
