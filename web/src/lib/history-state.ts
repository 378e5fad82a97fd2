/** What goes along to another page beside its address: it outlasts a reload, and no log and no link has it. */
import * as z from 'zod/mini';

const schema = z.object({
  /** The address that was just typed. */
  email: z.optional(z.string()),
  /** Whether a mail was just sent to it. */
  mailed: z.optional(z.boolean()),
  /** Whether the login is for somebody who is logged in already. */
  again: z.optional(z.boolean()),
});

type Along = z.infer<typeof schema>;

declare module '@tanstack/react-router' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface HistoryState extends Along {}
}

/** From the state of a location. A browser keeps it for long, so an older app may have written it. */
export function alongOf(state: unknown): Along {
  return schema.safeParse(state).data ?? {};
}
