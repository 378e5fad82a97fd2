/** Asks for code before it is needed. Where it does not come, whoever needs it asks again, and tells of it. */
export function ahead(load: () => Promise<unknown>) {
  load().catch(() => undefined);
}

/** The same, once the page has nothing else to do. */
export function aheadAtRest(load: () => Promise<unknown>) {
  const later = () => ahead(load);
  // Safari has no such moment.
  if ('requestIdleCallback' in window) window.requestIdleCallback(later);
  else setTimeout(later, 1000);
}
