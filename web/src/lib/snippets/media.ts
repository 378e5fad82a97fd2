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
