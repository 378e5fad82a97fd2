/** Pictures and sounds of an example: code reads them from a file. */

export interface Media {
  /** The field, and the name of the variable. */
  name: string;
  file: string;
  /** `data:image/jpeg;base64,` */
  prefix: string;
  value: string;
}

export function mediaOf(input: Record<string, unknown>): Media | undefined {
  for (const [name, value] of Object.entries(input)) {
    if (typeof value !== 'string') continue;
    const found = /^data:\w+\/([\w.+-]+);base64,/.exec(value);
    if (!found) continue;
    const ending = (found[1] ?? 'bin').replace('jpeg', 'jpg');
    return { name, file: `${name}.${ending}`, prefix: found[0], value };
  }
  return undefined;
}

/** The example with the picture cut short: to look at, not to send. */
export function abridge(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^(data:[\w/.+-]+;base64,.{12}).+/s, '$1…');
  if (Array.isArray(value)) return value.map(abridge);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, abridge(inner)]));
}
