/** How often pages about the present ask again. Workers report every three seconds. */
export const LIVE_MS = 3_000;
/** And pages about what changes now and then. */
export const CALM_MS = 10_000;
