/** The input of a job of one's own; undefined where it is too large to be told, or removed. */
import { getJob } from '@/api/generated';

export async function getInput(id: string, model: string, signal: AbortSignal) {
  const job = await getJob({ path: { id }, signal });
  return job.model === model ? job.input : undefined;
}
