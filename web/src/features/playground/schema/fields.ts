/** From a task's schema to the fields of a form. */
import type { JsonSchema } from './json-schema';

export type FieldKind =
  | 'text'
  | 'longText'
  | 'texts'
  | 'labels'
  | 'messages'
  | 'image'
  | 'audio'
  | 'number'
  | 'switch'
  | 'choice'
  | 'json';

export interface Field {
  name: string;
  kind: FieldKind;
  schema: JsonSchema;
  required: boolean;
}

export interface Form {
  /** What the task is about, in the order to fill in. */
  main: Field[];
  /** What may be left as it is. */
  options: Field[];
  /** The input may be any object: it is written as JSON, and there are no fields. */
  free: boolean;
}

/** Above this a text gets more than one line. */
const SHORT_TEXT = 300;
/** Options that people look for first. */
const FIRST = ['max_tokens', 'temperature', 'top_p', 'top_k', 'language', 'task', 'timestamps', 'threshold'];
/** Kinds that are what a task is about also where the schema can do without. */
const MAIN = new Set<FieldKind>(['longText', 'texts', 'messages', 'image', 'audio']);

export function describeForm(schema: JsonSchema): Form {
  if (schema.additionalProperties !== false || !schema.properties)
    return { main: [], options: [], free: true };
  const required = [...(schema.required ?? []), ...(schema.oneOf?.[0]?.required ?? [])];
  const alternatives = (schema.oneOf ?? []).slice(1).flatMap((other) => other.required ?? []);
  const left = new Set(alternatives.filter((name) => !required.includes(name)));
  const fields = Object.entries(schema.properties)
    .filter(([name]) => !left.has(name))
    .map(([name, property]): Field => ({
      name,
      kind: kindOf(name, property),
      schema: property,
      required: required.includes(name),
    }));
  const isMain = (field: Field) => field.required || MAIN.has(field.kind);
  return {
    main: fields.filter(isMain).sort(byRank(required)),
    options: fields.filter((field) => !isMain(field)).sort(byRank(FIRST)),
    free: false,
  };
}

function byRank(order: string[]) {
  const rank = ({ name }: Field) => (order.includes(name) ? order.indexOf(name) : order.length);
  return (a: Field, b: Field) => rank(a) - rank(b) || a.name.localeCompare(b.name);
}

function kindOf(name: string, schema: JsonSchema): FieldKind {
  if (schema.enum) return 'choice';
  switch (schema.type) {
    case 'boolean':
      return 'switch';
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
      return kindOfText(name, schema);
    case 'array':
      return kindOfList(schema);
    case undefined:
      // `stop`: one text or several; several will do.
      return schema.anyOf?.some((option) => option.items?.type === 'string') ? 'labels' : 'json';
    default:
      return 'json';
  }
}

function kindOfText(name: string, schema: JsonSchema): FieldKind {
  if (schema.contentEncoding === 'base64') {
    const said = /data:(image|audio)\//.exec(schema.description ?? '')?.[1];
    return said === 'audio' || (said === undefined && name.includes('audio')) ? 'audio' : 'image';
  }
  return (schema.maxLength ?? 0) > SHORT_TEXT ? 'longText' : 'text';
}

function kindOfList({ items, uniqueItems }: JsonSchema): FieldKind {
  if (items?.type === 'string')
    return uniqueItems || (items.maxLength ?? 0) <= SHORT_TEXT ? 'labels' : 'texts';
  return items?.properties && 'role' in items.properties && 'content' in items.properties
    ? 'messages'
    : 'json';
}
