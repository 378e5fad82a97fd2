/** Gives a token a plan and limits of its own, or takes them back. */
import { useQueryClient } from '@tanstack/react-query';
import { limitUserToken, type LimitUserToken } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { userTokensQuery } from './list-user-tokens';

export function useLimitUserToken(user: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ token, body }: { token: string; body: LimitUserToken }) =>
      limitUserToken({ path: { id: user, token }, body }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: userTokensQuery(user).queryKey }),
  });
}
