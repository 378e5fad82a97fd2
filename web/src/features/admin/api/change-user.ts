/** Changes of an account: role, plan, whether it may do anything, whether it is let in. */
import { useQueryClient } from '@tanstack/react-query';
import { changeUser, type ChangeUser } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';
import { userQuery } from './get-user';

export function useChangeUser(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (changes: ChangeUser) => changeUser({ path: { id }, body: changes }),
    onSuccess: async (user) => {
      queryClient.setQueryData(userQuery(id).queryKey, user);
      await queryClient.invalidateQueries({ queryKey: ['admin', 'users'] });
    },
  });
}
