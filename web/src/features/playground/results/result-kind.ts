/** Which view an output gets, by its shape: a model that is not known yet gets one too. */
import * as z from 'zod/mini';

const point = z.tuple([z.number(), z.number()]);
const matrix = z.array(z.array(z.number()));
const labels = z.array(z.object({ label: z.string(), score: z.number() }));
const segment = z.object({
  start: z.number(),
  end: z.number(),
  text: z.optional(z.string()),
  confidence: z.optional(z.number()),
});

const shapes = {
  embeddings: z.object({ embeddings: matrix }),
  similarity: z.object({ matrix }),
  textLabels: z.object({ results: z.array(z.object({ labels })) }),
  labels: z.object({ labels }),
  ranking: z.object({ scores: z.array(z.object({ index: z.number(), score: z.number() })) }),
  faces: z.object({
    boxes: z.array(z.object({ polygon: z.array(point), score: z.number(), landmarks: z.array(point) })),
  }),
  lines: z.object({
    lines: z.array(z.object({ text: z.string(), polygon: z.array(point), confidence: z.number() })),
  }),
  mrz: z.object({
    mrz: z.array(z.string()),
    type: z.nullable(z.string()),
    fields: z.record(z.string(), z.nullable(z.string())),
    valid: z.boolean(),
    checks: z.record(z.string(), z.boolean()),
  }),
  speech: z.object({
    segments: z.array(segment),
    text: z.optional(z.string()),
    duration: z.optional(z.number()),
    language: z.optional(z.string()),
  }),
  writing: z.object({ text: z.string(), finish_reason: z.string() }),
} as const;

type Shapes = typeof shapes;
export type ResultKind = keyof Shapes;
export type ResultOf<K extends ResultKind> = z.infer<Shapes[K]>;
export type Segment = z.infer<typeof segment>;
export type Labels = z.infer<typeof labels>;
export type Result = { [K in ResultKind]: { kind: K; data: ResultOf<K> } }[ResultKind] | { kind: 'json' };

export function readResult(output: unknown): Result {
  for (const kind of Object.keys(shapes) as ResultKind[]) {
    const result = shapes[kind].safeParse(output);
    if (result.success) return { kind, data: result.data } as Result;
  }
  return { kind: 'json' };
}

/** Pieces of an output that is still on its way, where they are parts of a recording. */
export function readSegments(pieces: unknown[]): Segment[] {
  const result = z.array(segment).safeParse(pieces);
  return result.success ? result.data : [];
}
