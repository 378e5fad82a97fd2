/** What an address brings along: the input of a share link, or of a job that is to be run again with changes. */
import { useEffect, useState } from 'react';
import { fromFragment } from '@/lib/share-link';
import { getInput } from '../api/get-input';
import { forgetGiven } from './address';

export interface Given {
  /** Whether the model and task are those of the address: the input is of no other. */
  fits: boolean;
  /** The job whose input it is. */
  from?: string | undefined;
}

/** Takes it once. Says what kept it from doing so: an error, or `'absent'`. */
export function useGivenInput(
  { fits, from }: Given,
  model: string,
  fill: (input: Record<string, unknown>) => void,
) {
  const [failure, setFailure] = useState<unknown>();
  useEffect(() => {
    const leaving = new AbortController();
    const take = async () => {
      const input = await (from ? getInput(from, model, leaving.signal) : fromFragment(window.location.hash));
      if (leaving.signal.aborted) return;
      if (input) fill(input);
      else if (from) setFailure('absent');
      if (input) forgetGiven();
    };
    if (fits) take().catch((error: unknown) => !leaving.signal.aborted && setFailure(error));
    return () => leaving.abort();
    // Only what the address brought along counts.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  return failure;
}
