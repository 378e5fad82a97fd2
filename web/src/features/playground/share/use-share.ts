/** Copies a link to the page with its input. */
import { useClipboard } from '@mantine/hooks';
import { toFragment } from '@/lib/share-link';

export interface Shared {
  model: string;
  task: string;
  input: Record<string, unknown>;
}

export function useShare(draft: () => Shared) {
  const clipboard = useClipboard();
  const share = async () => {
    const { model, task, input } = draft();
    const link = new URL(window.location.pathname, window.location.origin);
    link.search = new URLSearchParams({ model, task }).toString();
    link.hash = await toFragment(input);
    window.history.replaceState(window.history.state, '', link);
    clipboard.copy(link.href);
  };
  return { share, shared: clipboard.copied };
}
