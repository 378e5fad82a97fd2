/** The models that whoever reads may use: with their tasks and an example of each. */
import { queryOptions } from '@tanstack/react-query';
import { listModels, type Model } from '@/api/generated';
import { isApiError } from '@/lib/problem';

export const modelsQuery = queryOptions({
  queryKey: ['docs', 'models'],
  queryFn: async ({ signal }): Promise<Model[]> => {
    try {
      return (await listModels({ signal })).data;
    } catch (error) {
      // Without a login there is only what guests may try, which can be nothing.
      if (isApiError(error) && error.status === 401) return [];
      throw error;
    }
  },
  staleTime: 60_000,
});
