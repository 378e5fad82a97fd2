/** Switches a model on or off, for everybody. */
import { useQueryClient } from '@tanstack/react-query';
import { updateModel } from '@/api/generated';
import { modelsQuery } from '@/lib/models';
import { useMutation } from '@/lib/use-mutation';

export function useSwitchModel() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, enabled }: { id: string; enabled: boolean }) =>
      updateModel({ path: { id }, body: { enabled } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: modelsQuery.queryKey }),
  });
}
