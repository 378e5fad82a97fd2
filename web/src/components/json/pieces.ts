/** JSON as pieces to be coloured, laid out to be read: short lists of numbers on one line, long ones cut. */
export type Piece =
  { kind: 'key' | 'string' | 'number' | 'word' | 'mark'; text: string } | { kind: 'more'; count: number };

const MOST_ITEMS = 50;
const MOST_NUMBERS = 8;
const LONGEST_TEXT = 4_000;
const MEDIA_START = 48;
const INDENT = '  ';

export function piecesOf(value: unknown, indent = ''): Piece[] {
  if (Array.isArray(value)) return listOf(value, indent);
  if (typeof value === 'object' && value !== null) return objectOf(value, indent);
  if (typeof value === 'string') return textOf(value);
  return [{ kind: typeof value === 'number' ? 'number' : 'word', text: JSON.stringify(value) }];
}

function mark(text: string): Piece {
  return { kind: 'mark', text };
}

function textOf(text: string): Piece[] {
  const most = text.startsWith('data:') ? MEDIA_START : LONGEST_TEXT;
  if (text.length <= most) return [{ kind: 'string', text: JSON.stringify(text) }];
  const start = JSON.stringify(text.slice(0, most));
  return [
    { kind: 'string', text: start.slice(0, -1) },
    { kind: 'more', count: text.length - most },
    { kind: 'string', text: '"' },
  ];
}

function listOf(list: unknown[], indent: string): Piece[] {
  if (list.length === 0) return [mark('[]')];
  const numbers = list.every((item) => typeof item === 'number');
  const shown = list.slice(0, numbers ? MOST_NUMBERS : MOST_ITEMS);
  const [before, between, after] = numbers
    ? ['', ', ', '']
    : [`\n${indent}${INDENT}`, `,\n${indent}${INDENT}`, `\n${indent}`];
  const items = shown.flatMap((item, index) => [
    mark(index === 0 ? before : between),
    ...piecesOf(item, indent + INDENT),
  ]);
  const left = list.length - shown.length;
  const rest: Piece[] = left > 0 ? [mark(between), { kind: 'more', count: left }] : [];
  return [mark('['), ...items, ...rest, mark(`${after}]`)];
}

function objectOf(object: object, indent: string): Piece[] {
  const entries = Object.entries(object);
  if (entries.length === 0) return [mark('{}')];
  const lines = entries.flatMap(([key, value], index): Piece[] => [
    mark(`${index === 0 ? '' : ','}\n${indent}${INDENT}`),
    { kind: 'key', text: JSON.stringify(key) },
    mark(': '),
    ...piecesOf(value, indent + INDENT),
  ]);
  return [mark('{'), ...lines, mark(`\n${indent}}`)];
}
