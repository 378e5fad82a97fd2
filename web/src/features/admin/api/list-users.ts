/** The accounts, page by page. */
import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { listUsers, type UserRole, type UserStatus } from '@/api/generated';

export interface UserFilters {
  q?: string | undefined;
  role?: UserRole | undefined;
  plan?: string | undefined;
  status?: UserStatus | undefined;
}

const PAGE = 30;

export function usersQuery(filters: UserFilters) {
  return infiniteQueryOptions({
    queryKey: ['admin', 'users', filters],
    queryFn: ({ pageParam, signal }) =>
      listUsers({ query: { ...filters, cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
}
