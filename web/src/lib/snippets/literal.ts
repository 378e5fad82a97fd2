/** JSON values in the syntax of other languages. */

/** Texts that stand for a variable, by what they are. */
export type Names = ReadonlyMap<unknown, string>;

const none: Names = new Map();

export function toPython(value: unknown, names: Names = none, indent = ''): string {
  const name = names.get(value);
  if (name !== undefined) return name;
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}    `;
  const isList = Array.isArray(value);
  const items = isList
    ? value.map((item) => toPython(item, names, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${toPython(item, names, inner)}`);
  return wrap(items, isList ? '[]' : '{}', indent, inner, '');
}

/** JSON with variables in it: JavaScript, and the `json!` of Rust. */
export function toJson(value: unknown, names: Names = none, indent = ''): string {
  const name = names.get(value);
  if (name !== undefined) return name;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const items = isList
    ? value.map((item) => toJson(item, names, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${toJson(item, names, inner)}`);
  return wrap(items, isList ? '[]' : '{}', indent, inner);
}

const SHORT = 64;

/** In one line where it is short. */
function wrap(items: string[], brackets: string, indent: string, inner: string, room = ' '): string {
  const [open = '', close = ''] = brackets;
  const line = items.join(', ');
  if (line.length <= SHORT && !line.includes('\n')) {
    return brackets === '{}' && line ? `{${room}${line}${room}}` : `${open}${line}${close}`;
  }
  return `${open}\n${items.map((item) => `${inner}${item}`).join(',\n')}\n${indent}${close}`;
}
