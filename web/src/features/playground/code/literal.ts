/** JSON values in the syntax of other languages. */

/** Python, indented by four. `names`: texts that stand for variables. */
export function toPython(
  value: unknown,
  indent = '',
  names: ReadonlyMap<unknown, string> = new Map(),
): string {
  const name = names.get(value);
  if (name) return name;
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}    `;
  const items = Array.isArray(value)
    ? value.map((item) => toPython(item, inner, names))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${toPython(item, inner, names)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join('')}${indent}${close}`;
}

/** JSON with variables in it: JavaScript, and the `json!` of Rust. */
export function toJson(value: unknown, indent = '', names: ReadonlyMap<unknown, string> = new Map()): string {
  const marks = [...names].map(([text, name]): [unknown, string, string] => [
    text,
    name,
    `\u0001${name}\u0001`,
  ]);
  const marked = JSON.stringify(
    value,
    (_, item: unknown) => marks.find(([text]) => text === item)?.[2] ?? item,
    2,
  );
  const plain = marks.reduce((text, [, name, mark]) => text.replaceAll(JSON.stringify(mark), name), marked);
  return plain.replaceAll('\n', `\n${indent}`);
}
