/** Another page takes the focus to its heading, so that whoever hears the app, or goes by keys, is where they went. */
import { useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';

export function usePageFocus() {
  // Once it is shown; the search and the fragment are of the same page.
  const path = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname });
  const before = useRef(path);
  useEffect(() => {
    const first = before.current === undefined;
    if (before.current === path) return;
    before.current = path;
    if (first || isBusy()) return;
    const main = document.getElementById('main');
    const heading = main?.querySelector('h1');
    if (heading) heading.tabIndex = -1;
    (heading ?? main)?.focus({ preventScroll: true });
  }, [path]);
}

/** Whether something of the new page has taken the focus already, or what is open over it holds it. */
function isBusy(): boolean {
  const open = document.querySelector('[role=dialog]');
  return Boolean(open ?? document.activeElement?.closest('#main input, #main textarea, #main select'));
}
