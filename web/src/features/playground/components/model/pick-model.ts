/** Which model and task are shown, by the address and by what there is. */
import type { Model, ModelTask } from '@/api/generated';

/** For demonstrations; last in the list. */
const DEMONSTRATION = 'echo';

const serves = ({ status }: Model) => status === 'ready' || status === 'unloaded';

/** Those that can run first, demonstrations last, else by name. */
export function sortModels(models: Model[]): Model[] {
  const rank = (model: Model) => (model.task === DEMONSTRATION ? 2 : 0) + (serves(model) ? 0 : 1);
  return [...models].sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
}

/** `wanted` by the address, else the one that is `held` already, whatever its light is now, else the first. */
export function pickModel(
  sorted: Model[],
  wanted: string | undefined,
  held: string | undefined,
): Model | undefined {
  const called = (name: string | undefined) => sorted.find(({ id }) => id === name);
  return called(wanted) ?? called(held) ?? sorted[0];
}

export function pickTask(model: Model, wanted: string | undefined): ModelTask | undefined {
  return model.tasks.find(({ task }) => task === wanted) ?? model.tasks[0];
}
