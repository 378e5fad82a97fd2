/** Logs an account out everywhere. */
import { endUserSessions } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useEndUserSessions(id: string) {
  return useMutation({ mutationFn: () => endUserSessions({ path: { id } }) });
}
