/** The account of whoever is logged in, and changes to it. */
import { queryOptions, useQueryClient } from '@tanstack/react-query';
import { type AccountChanges, getAccount, updateAccount } from '@/api/generated';
import { sessionQuery } from '@/lib/session';
import { useMutation } from '@/lib/use-mutation';

export const accountQuery = queryOptions({
  queryKey: ['account'],
  queryFn: ({ signal }) => getAccount({ signal }),
});

export function useUpdateAccount() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: AccountChanges) => updateAccount({ body }),
    onSuccess: async (account) => {
      queryClient.setQueryData(accountQuery.queryKey, account);
      await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
  });
}
