/** The part of JSON Schema that tasks are described with. */
import * as z from 'zod/mini';

export interface JsonSchema {
  type?: string | string[] | undefined;
  title?: string | undefined;
  description?: string | undefined;
  default?: unknown;
  enum?: unknown[] | undefined;
  minLength?: number | undefined;
  maxLength?: number | undefined;
  minItems?: number | undefined;
  maxItems?: number | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  pattern?: string | undefined;
  uniqueItems?: boolean | undefined;
  contentEncoding?: string | undefined;
  additionalProperties?: unknown;
  items?: JsonSchema | undefined;
  properties?: Record<string, JsonSchema> | undefined;
  required?: string[] | undefined;
  anyOf?: JsonSchema[] | undefined;
  oneOf?: JsonSchema[] | undefined;
}

const number = z.optional(z.number());
const text = z.optional(z.string());

const schema: z.ZodMiniType<JsonSchema> = z.object({
  type: z.optional(z.union([z.string(), z.array(z.string())])),
  title: text,
  description: text,
  default: z.optional(z.unknown()),
  enum: z.optional(z.array(z.unknown())),
  minLength: number,
  maxLength: number,
  minItems: number,
  maxItems: number,
  minimum: number,
  maximum: number,
  pattern: text,
  uniqueItems: z.optional(z.boolean()),
  contentEncoding: text,
  additionalProperties: z.optional(z.unknown()),
  get items() {
    return z.optional(schema);
  },
  get properties() {
    return z.optional(z.record(z.string(), schema));
  },
  required: z.optional(z.array(z.string())),
  get anyOf() {
    return z.optional(z.array(schema));
  },
  get oneOf() {
    return z.optional(z.array(schema));
  },
});

/** A schema that can't be read is one that takes any object. */
export function readSchema(value: unknown): JsonSchema {
  const result = schema.safeParse(value);
  return result.success ? result.data : { type: 'object', additionalProperties: true };
}
