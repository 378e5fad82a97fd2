/** What stands in a form, and the input of a job that it makes. */
import type { Field, Form } from './fields';

/** By field. Undefined or empty: left as it is. JSON is kept as the text that was written. */
export type Values = Record<string, unknown>;

/** The name under which the JSON of a free form is kept. */
export const FREE = '$input';

/** What an input looks like in the form. `whole`: its options too. */
export function toValues(form: Form, input: Record<string, unknown>, whole = true): Values {
  if (form.free) return { [FREE]: JSON.stringify(input, undefined, 2) };
  const values: Values = {};
  for (const field of whole ? [...form.main, ...form.options] : form.main) {
    const value = input[field.name];
    if (value !== undefined) values[field.name] = toValue(field, value);
  }
  return values;
}

function toValue({ kind }: Field, value: unknown): unknown {
  if (kind === 'json') return JSON.stringify(value, undefined, 2);
  if (kind === 'labels' && typeof value === 'string') return [value];
  // One text is short for a list of one.
  if (kind === 'texts' && typeof value === 'string') return [value];
  return value;
}

/** The input of a job. Throws `SyntaxError` on JSON that is none; `validate` finds it before. */
export function toInput(form: Form, values: Values): Record<string, unknown> {
  if (form.free) return JSON.parse(textOf(values[FREE])) as Record<string, unknown>;
  const input: Record<string, unknown> = {};
  for (const field of [...form.main, ...form.options]) {
    const value = values[field.name];
    if (isEmpty(value) && !(field.required && value !== undefined)) continue;
    input[field.name] = field.kind === 'json' ? JSON.parse(textOf(value)) : value;
  }
  return input;
}

export function isEmpty(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

export interface Message {
  role: string;
  content: string;
}

export function messagesOf(value: unknown): Message[] {
  if (!Array.isArray(value)) return [];
  return value.map((item: Partial<Message>) => ({ role: item.role ?? 'user', content: item.content ?? '' }));
}
