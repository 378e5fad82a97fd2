/** The models one may use now, as who one is; asked again while the page is open, for their lights. */
import { queryOptions } from '@tanstack/react-query';
import { listModels } from '@/api/generated';
import { isApiError } from '@/lib/problem';

const LIGHTS_MS = 15_000;

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: async ({ signal }) => {
    try {
      return (await listModels({ signal })).data;
    } catch (error) {
      // Nobody is logged in, and no model may be tried without.
      if (isApiError(error, 'unauthorized')) return [];
      throw error;
    }
  },
  refetchInterval: LIGHTS_MS,
});
