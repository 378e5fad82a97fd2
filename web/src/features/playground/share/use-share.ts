/** Copies a link to the page with its input. */
import { useState } from 'react';
import { useCopy } from '@/lib/copy';
import { hasMedia, toFragment } from '@/lib/share-link';

export interface Shared {
  model: string;
  task: string;
  input: Record<string, unknown>;
}

/** `draft`: undefined where there is nothing that could be shared. */
export function useShare(draft: () => Shared | undefined) {
  const { copy, copied, failed } = useCopy();
  const [partly, setPartly] = useState(false);
  const share = async () => {
    const given = draft();
    setPartly(given !== undefined && hasMedia(given.input));
    if (!given) return;
    const { model, task, input } = given;
    const link = new URL(window.location.pathname, window.location.origin);
    link.search = new URLSearchParams({ model, task }).toString();
    link.hash = await toFragment(input);
    window.history.replaceState(window.history.state, '', link);
    await copy(link.href);
  };
  return { share, shared: copied, refused: failed, partly };
}
