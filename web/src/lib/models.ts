/** The models one may use, as who one is: asked for once, for every page that names them. */
import { queryOptions } from '@tanstack/react-query';
import { listModels, type Model } from '@/api/generated';
import { isApiError } from './problem';

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: async ({ signal }): Promise<Model[]> => {
    try {
      return (await listModels({ signal })).data;
    } catch (error) {
      // Nobody is logged in, and no model may be tried without.
      if (isApiError(error) && error.status === 401) return [];
      throw error;
    }
  },
  staleTime: 60_000,
});

/** Their names, to choose from; for `select`. */
export function namesOf(models: readonly Model[]): string[] {
  return models.map(({ id }) => id);
}
