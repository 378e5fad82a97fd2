/** What to offer first: a playground without models would be a dead end. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { modelsQuery } from '@/lib/models';
import { sessionQuery } from '@/lib/session';

export type FirstStep = 'playground' | 'account';

interface Known {
  /** Null for a guest, undefined until it is known. */
  session: object | null | undefined;
  models: readonly unknown[] | undefined;
  /** Whether one of them did not come; it may still. */
  failed: boolean;
}

/** Undefined until it is known. */
export function firstStep({ session, models, failed }: Known): FirstStep | undefined {
  if (session) return 'playground';
  if (session === null && models) return models.length > 0 ? 'playground' : 'account';
  return failed ? 'playground' : undefined;
}

export function useFirstStep(): FirstStep | undefined {
  const session = useQuery(sessionQuery);
  const models = useQuery({ ...modelsQuery, enabled: session.data === null });
  const failed = Boolean(session.failureReason ?? models.failureReason);
  const step = firstStep({ session: session.data, models: models.data, failed });
  // Asked for again after a failure, it is not known for a moment: what was offered stays.
  const [offered, offer] = useState<FirstStep>();
  if (step && step !== offered) offer(step);
  return step ?? offered;
}
