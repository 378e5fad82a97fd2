/** The audit log, newest first, page by page. */
import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { type AuditOutcome, listAudit } from '@/api/generated';

export interface AuditFilters {
  action?: string | undefined;
  outcome?: AuditOutcome | undefined;
  user?: string | undefined;
  actor?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}

const PAGE = 30;

export function auditQuery(filters: AuditFilters) {
  return infiniteQueryOptions({
    queryKey: ['admin', 'audit', filters],
    queryFn: ({ pageParam, signal }) =>
      listAudit({ query: { ...filters, cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
  });
}
