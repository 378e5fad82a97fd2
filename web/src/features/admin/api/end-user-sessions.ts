/** Logs an account out everywhere. */
import { useMutation } from '@tanstack/react-query';
import { endUserSessions } from '@/api/generated';

export function useEndUserSessions(id: string) {
  return useMutation({ mutationFn: () => endUserSessions({ path: { id } }) });
}
