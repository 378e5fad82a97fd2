/** What the build was told, checked once at the start; a wrong value stops the app with its name. */
import * as z from 'zod/mini';

const schema = z.object({
  // Addresses, cookies and the policy (`connect-src 'self'`) have one root: the server that the page came from.
  BASE_URL: z.literal('/'),
  DEV: z.boolean(),
});

function parse() {
  const result = schema.safeParse(import.meta.env);
  if (!result.success) throw new Error(`settings of the build: ${z.prettifyError(result.error)}`);
  return { development: result.data.DEV };
}

export const env = parse();
