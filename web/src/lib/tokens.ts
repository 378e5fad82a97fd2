/** One's tokens, ended ones too, for pages that name them: asked for once. */
import { queryOptions } from '@tanstack/react-query';
import { listTokens, type Token } from '@/api/generated';

const PAGE = 100;
/** So many hundreds of tokens nobody has; it only is an end. */
const MOST_PAGES = 50;

export const allTokensQuery = queryOptions({
  queryKey: ['tokens', 'all'],
  queryFn: async ({ signal }) => {
    const tokens: Token[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { data, next_cursor } = await listTokens({ query: { limit: PAGE, cursor }, signal });
      tokens.push(...data);
      cursor = next_cursor;
      if (!cursor) break;
    }
    return tokens;
  },
  staleTime: 60_000,
});

/** What one is called: after a rotation two have the same name, and differ in their ends. */
export function labelOf({ name, last4 }: Token): string {
  return last4 ? `${name} (…${last4})` : name;
}

/** What they are called, by id; for `select`. */
export function labelsById(tokens: readonly Token[]): Map<string, string> {
  return new Map(tokens.map((token) => [token.id, labelOf(token)]));
}
