/** Texts into the clipboard, also on pages that did not come by https. */
import { useEffect, useState } from 'react';

const SHOWN_MS = 2000;

/** `failed` stays until it is tried again: the text is then to be shown, to be copied by hand. */
export function useCopy() {
  const [state, setState] = useState<'copied' | 'failed'>();
  useEffect(() => {
    if (state !== 'copied') return;
    const timer = setTimeout(() => setState(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async (text: string) => setState((await copyText(text)) ? 'copied' : 'failed');
  return { copied: state === 'copied', failed: state === 'failed', copy };
}

async function copyText(text: string): Promise<boolean> {
  // What the browser gives to secure contexts alone.
  const { clipboard } = navigator as { clipboard?: Clipboard };
  if (!clipboard) return copyBySelection(text);
  try {
    await clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const before = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.readOnly = true;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  // A dialog keeps the focus, and with it the selection, inside of itself.
  (before?.closest('[role=dialog]') ?? document.body).append(area);
  area.select();
  try {
    // Deprecated, and the only way where there is no `navigator.clipboard`.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    return document.execCommand('copy');
  } catch {
    return false;
  } finally {
    area.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  }
}
