/** What is wrong with a form, as the schema has it; the server judges again. */
import type { Field, Form } from './fields';
import type { JsonSchema } from './json-schema';
import { FREE, isEmpty, messagesOf, textOf, textsOf, type Values } from './values';

export interface Fault {
  code:
    | 'required'
    | 'tooShort'
    | 'tooLong'
    | 'tooFew'
    | 'tooMany'
    | 'tooSmall'
    | 'tooLarge'
    | 'notWhole'
    | 'notJson'
    | 'notFitting'
    | 'twice'
    | 'mediaTooLarge';
  limit?: number;
}

/** Faults by JSON pointer below the input: `/texts`, `/texts/3`, `/messages/0/content`. */
export type Faults = Record<string, Fault>;

/** Base64 has four characters for three bytes. */
const BYTES_A_CHARACTER = 3 / 4;

export function validate(form: Form, values: Values): Faults {
  const faults: Faults = {};
  if (form.free) {
    if (!isJsonObject(textOf(values[FREE]))) faults[''] = { code: 'notJson' };
    return faults;
  }
  for (const field of [...form.main, ...form.options]) {
    const value = values[field.name];
    const pointer = `/${field.name}`;
    if (isEmpty(value)) {
      if (field.required) faults[pointer] = { code: 'required' };
    } else {
      Object.assign(faults, judge(field, value, pointer));
    }
  }
  return faults;
}

function judge({ kind, schema }: Field, value: unknown, pointer: string): Faults {
  switch (kind) {
    case 'text':
    case 'longText':
      return one(pointer, judgeText(schema, textOf(value)));
    case 'image':
    case 'audio':
      return one(pointer, judgeMedia(schema, textOf(value)));
    case 'number':
      return one(pointer, judgeNumber(schema, value));
    case 'texts':
    case 'labels':
      return judgeList(schema, textsOf(value), pointer);
    case 'messages':
      return judgeMessages(schema, value, pointer);
    case 'json':
      return one(pointer, isJson(textOf(value)) ? undefined : { code: 'notJson' });
    case 'switch':
    case 'choice':
      return {};
  }
}

function one(pointer: string, fault: Fault | undefined): Faults {
  return fault ? { [pointer]: fault } : {};
}

function judgeText(schema: JsonSchema, text: string): Fault | undefined {
  // Code points, as JSON Schema counts.
  const length = Array.from(text).length;
  if (length < (schema.minLength ?? 0))
    return length === 0 ? { code: 'required' } : { code: 'tooShort', limit: schema.minLength ?? 0 };
  if (schema.maxLength !== undefined && length > schema.maxLength)
    return { code: 'tooLong', limit: schema.maxLength };
  if (schema.pattern && !new RegExp(schema.pattern, 'u').test(text)) return { code: 'notFitting' };
  return undefined;
}

function judgeMedia({ maxLength }: JsonSchema, text: string): Fault | undefined {
  if (maxLength === undefined || text.length <= maxLength) return undefined;
  return { code: 'mediaTooLarge', limit: Math.floor(maxLength * BYTES_A_CHARACTER) };
}

function judgeNumber(schema: JsonSchema, value: unknown): Fault | undefined {
  const number = Number(value);
  if (Number.isNaN(number)) return { code: 'required' };
  if (schema.type === 'integer' && !Number.isInteger(number)) return { code: 'notWhole' };
  if (schema.minimum !== undefined && number < schema.minimum)
    return { code: 'tooSmall', limit: schema.minimum };
  if (schema.maximum !== undefined && number > schema.maximum)
    return { code: 'tooLarge', limit: schema.maximum };
  return undefined;
}

function judgeCount({ minItems, maxItems }: JsonSchema, count: number): Fault | undefined {
  if (minItems !== undefined && count < minItems) return { code: 'tooFew', limit: minItems };
  if (maxItems !== undefined && count > maxItems) return { code: 'tooMany', limit: maxItems };
  return undefined;
}

function judgeList(schema: JsonSchema, items: string[], pointer: string): Faults {
  const list = schema.anyOf?.find((option) => option.items) ?? schema;
  const faults = one(pointer, judgeCount(list, items.length));
  items.forEach((item, at) => {
    const fault = judgeText(list.items ?? {}, item);
    const twice = list.uniqueItems && items.indexOf(item) !== at;
    if (fault ?? twice) faults[`${pointer}/${at}`] = fault ?? { code: 'twice' };
  });
  return faults;
}

function judgeMessages(schema: JsonSchema, value: unknown, pointer: string): Faults {
  const messages = messagesOf(value);
  const faults = one(pointer, judgeCount(schema, messages.length));
  const content = schema.items?.properties?.content ?? {};
  messages.forEach((message, at) => {
    // An empty message is allowed, and never meant.
    const fault =
      message.content === '' ? ({ code: 'required' } as const) : judgeText(content, message.content);
    if (fault) faults[`${pointer}/${at}/content`] = fault;
  });
  return faults;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isJsonObject(text: string): boolean {
  if (!isJson(text)) return false;
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
