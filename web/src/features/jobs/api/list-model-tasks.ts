/** The models and what they do, to filter by. */
import { queryOptions } from '@tanstack/react-query';
import { listModels } from '@/api/generated';

export const modelTasksQuery = queryOptions({
  queryKey: ['models', 'tasks'],
  queryFn: async ({ signal }) =>
    (await listModels({ signal })).data.map(({ id, tasks }) => ({
      id,
      tasks: tasks.map(({ task }) => task),
    })),
  staleTime: 60_000,
});
