/** Ends a token of somebody. */
import { useQueryClient } from '@tanstack/react-query';
import { revokeUserToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { userTokensQuery } from './list-user-tokens';

export function useRevokeUserToken(user: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => revokeUserToken({ path: { id: user, token } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: userTokensQuery(user).queryKey }),
  });
}
