/** A path of this app from an address that somebody may have made up; undefined for other places. */
export function ownPath(value: string | undefined): string | undefined {
  if (!value?.startsWith('/')) return undefined;
  const origin = window.location.origin;
  const url = URL.canParse(value, origin) ? new URL(value, origin) : undefined;
  return url?.origin === origin ? url.pathname + url.search + url.hash : undefined;
}
