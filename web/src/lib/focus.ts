/** Where the focus goes when something opens, changes or closes: never to nowhere. */
import { useEffect, useRef, useState } from 'react';

/** The focus goes back to where it was. For a dialog that is opened by being put on the page: the library's own forgets. */
export function useFocusReturn(opened: boolean) {
  // What is clicked may be gone once the dialog is there.
  const [before] = useState(() => opener(document.activeElement));
  useEffect(() => {
    if (opened) return () => before?.focus({ preventScroll: true });
  }, [opened, before]);
}

/** An entry of a menu goes with it: what opens the menu stands for it. */
function opener(active: Element | null): HTMLElement | null {
  const menu = active?.closest('[role=menu]')?.getAttribute('aria-labelledby');
  return menu ? document.getElementById(menu) : (active as HTMLElement | null);
}

/** Takes the focus when it appears, in the place of what had it and is gone. */
export function useFocusHere<T extends HTMLElement>() {
  const here = useRef<T>(null);
  useEffect(() => here.current?.focus(), []);
  return here;
}
