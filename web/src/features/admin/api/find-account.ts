/** The account that was typed into a filter. */
import { queryOptions } from '@tanstack/react-query';
import { listUsers } from '@/api/generated';
import { findAccount } from '../audit/account';

/** More accounts do not have a whole address in theirs. */
const MOST = 100;

export function accountQuery(typed: string) {
  return queryOptions({
    queryKey: ['admin', 'account', typed],
    queryFn: ({ signal }) =>
      findAccount(typed, async (q) => (await listUsers({ query: { q, limit: MOST }, signal })).data),
  });
}
