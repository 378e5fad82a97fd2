/** How deep the queues were since the page was opened: for the small curves beside the numbers. */
import { useEffect, useState } from 'react';
import type { Queue } from '@/api/generated';

const KEPT = 60;

export type Depths = Readonly<Record<string, readonly number[]>>;

export function useDepths(queues: readonly Queue[] | undefined, updatedAt: number): Depths {
  const [depths, setDepths] = useState<Depths>({});
  useEffect(() => {
    if (!queues) return;
    // eslint-disable-next-line react-hooks/set-state-in-effect -- each answer is one more point
    setDepths((before) =>
      Object.fromEntries(
        queues.map(({ model, depth }) => [model, [...(before[model] ?? []), depth].slice(-KEPT)]),
      ),
    );
    // Answers that say the same are points too, so their time counts and not their content.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [updatedAt]);
  return depths;
}
