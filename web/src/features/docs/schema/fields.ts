/** The fields of a JSON Schema, as a reader wants to know them. */
import * as z from 'zod/mini';

const property = z.object({
  type: z.optional(z.union([z.string(), z.array(z.string())])),
  description: z.optional(z.string()),
  default: z.optional(z.unknown()),
  enum: z.optional(z.array(z.unknown())),
  minimum: z.optional(z.number()),
  maximum: z.optional(z.number()),
  items: z.optional(z.looseObject({ type: z.optional(z.string()) })),
});

const schema = z.object({
  properties: z.optional(z.record(z.string(), property)),
  required: z.optional(z.array(z.string())),
  oneOf: z.optional(z.array(z.looseObject({ required: z.optional(z.array(z.string())) }))),
});

export interface Field {
  name: string;
  /** `integer 1–8192`, `string[]` */
  type: string;
  required: boolean;
  description?: string | undefined;
  /** As JSON. */
  usual?: string | undefined;
}

/** Those that must be there first. A schema that can't be read has none. */
export function fieldsOf(value: unknown): Field[] {
  const { data } = schema.safeParse(value);
  if (!data?.properties) return [];
  const required = [...(data.required ?? []), ...(data.oneOf?.[0]?.required ?? [])];
  const fields = Object.entries(data.properties).map(([name, item]): Field => ({
    name,
    type: typeOf(item),
    required: required.includes(name),
    description: item.description,
    usual: item.default === undefined ? undefined : JSON.stringify(item.default),
  }));
  return fields.sort((a, b) => Number(b.required) - Number(a.required));
}

function typeOf({ type, enum: choices, items, minimum, maximum }: z.infer<typeof property>): string {
  if (choices) return choices.map((choice) => JSON.stringify(choice)).join(' | ');
  if (type === 'array') return `${items?.type ?? 'any'}[]`;
  const name = Array.isArray(type) ? type.join(' | ') : (type ?? 'any');
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum !== undefined && most !== undefined) return `${name}, ${minimum}–${most}`;
  return name;
}
