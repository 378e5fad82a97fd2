/** The colours of states. The word beside them says the same. */
import type { MantineColor } from '@mantine/core';
import type { ModelStatus, WorkerState } from '@/api/generated';

export const workerColors: Record<WorkerState, MantineColor> = {
  active: 'teal',
  draining: 'yellow',
  drained: 'gray',
  maintenance: 'blue',
  lost: 'red',
};

export const modelColors: Record<ModelStatus, MantineColor> = {
  ready: 'teal',
  loading: 'blue',
  fetching: 'blue',
  unloaded: 'gray',
  offline: 'gray',
  disabled: 'gray',
  failed: 'red',
};

/** States of models come from workers as plain text: a newer one may say more than this app knows. */
export function isModelStatus(status: string): status is ModelStatus {
  return Object.hasOwn(modelColors, status);
}
