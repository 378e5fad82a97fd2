/** The person's live tokens and what they are called, for code that is to name one. */
import { queryOptions } from '@tanstack/react-query';
import { listTokens } from '@/api/generated';

const MOST = 100;

export const tokenNamesQuery = queryOptions({
  queryKey: ['tokens', 'names'],
  queryFn: async ({ signal }) => {
    const { data } = await listTokens({ query: { limit: MOST }, signal });
    return data
      .filter(({ status }) => status === 'active')
      .map(({ id, name, last4 }) => ({ id, label: last4 ? `${name} (…${last4})` : name }));
  },
});
