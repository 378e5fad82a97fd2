/**
 * Files of the site that did not come. After an upgrade those of a page that is open are gone from the server, and loading
 * the page anew brings the new ones; where the server is away, nothing does.
 */
const KEY = 'lamplighter.reloaded';
/** Another reload within this would be a loop. */
const PAUSE_MS = 60_000;

const missed = new WeakSet<object>();

export function watchSiteFiles() {
  addEventListener('vite:preloadError', ({ payload }) => {
    missed.add(payload);
    // The router reloads by itself, also where nothing is there to be loaded; `reloadForNewFiles` looks first.
    sessionStorage.setItem(`tanstack_router_reload:${payload.message}`, '1');
  });
}

/** Whether this failure is a file of the site that did not come. */
export function isMissedFile(error: unknown): boolean {
  return error instanceof Error && missed.has(error);
}

/** Loads the page anew, once, where the server is there to bring it. */
export async function reloadForNewFiles(): Promise<void> {
  const last = Number(sessionStorage.getItem(KEY) ?? 0);
  if (Date.now() - last < PAUSE_MS) return;
  const { ok } = await fetch('/', { method: 'HEAD', headers: { Accept: 'text/html' }, cache: 'no-store' });
  if (!ok) return;
  sessionStorage.setItem(KEY, String(Date.now()));
  location.reload();
}
