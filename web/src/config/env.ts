/** What the build was told (`VITE_…`), checked once at the start; a wrong value stops the app with its name. */
import * as z from 'zod/mini';

const schema = z.object({
  /** Where the API is; empty: where the page came from. */
  VITE_API_BASE: z._default(z.union([z.literal(''), z.url()]), ''),
});

function parse() {
  const result = schema.safeParse(import.meta.env);
  if (!result.success) throw new Error(`settings of the build: ${z.prettifyError(result.error)}`);
  return { apiBase: result.data.VITE_API_BASE };
}

export const env = parse();
