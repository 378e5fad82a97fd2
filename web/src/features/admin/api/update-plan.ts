/** Changes a plan; null takes a field back to the settings. */
import { useQueryClient } from '@tanstack/react-query';
import { updatePlan, type UpdatePlan } from '@/api/generated';
import { useMutation } from '@/lib/use-mutation';

export function useUpdatePlan(name: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (changes: UpdatePlan) => updatePlan({ path: { name }, body: changes }),
    onSuccess: () =>
      queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey.includes('plans') }),
  });
}
