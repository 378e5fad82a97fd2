/** How long a token is to be good for: by a preset, or until the end of a day. */
const HOUR = 3_600;
const DAY = 24 * HOUR;

export const presets = {
  hour: HOUR,
  day: DAY,
  week: 7 * DAY,
  month: 30 * DAY,
  quarter: 90 * DAY,
  year: 365 * DAY,
} as const;

export type Preset = keyof typeof presets;

export const CUSTOM = 'custom';
export type Expiry = Preset | typeof CUSTOM;

export const expiries = [...(Object.keys(presets) as Preset[]), CUSTOM] as const;

/** What the server takes: ten minutes to 366 days. */
const LEAST = 600;
const MOST_DAYS = 366;

export type ExpiryFault = 'dateRequired' | 'datePast' | 'dateFar';

/** Seconds from `now`, or what is wrong. `date` is `2026-12-31` by the reader's calendar; that day is still included. */
export function secondsOf(
  expiry: Expiry,
  date: string,
  now = Date.now(),
): { seconds: number } | { fault: ExpiryFault } {
  if (expiry !== CUSTOM) return { seconds: presets[expiry] };
  const parts = /^(\d{4,})-(\d\d)-(\d\d)$/.exec(date);
  if (!parts) return { fault: 'dateRequired' };
  const end = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]), 23, 59, 59);
  const seconds = Math.floor((end.getTime() - now) / 1000);
  if (seconds < LEAST) return { fault: 'datePast' };
  return seconds > MOST_DAYS * DAY ? { fault: 'dateFar' } : { seconds };
}

/** The first and the last day that may be chosen, for the date field. */
export function range(now: number): { min: string; max: string } {
  return { min: isoDay(now), max: isoDay(now + (MOST_DAYS - 1) * DAY * 1000) };
}

/** `2026-12-31` by the reader's calendar. */
function isoDay(at: number): string {
  const day = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** Whether a token ends so soon that it should be said. */
export function endsSoon(expiresAt: string, now: number): boolean {
  return Date.parse(expiresAt) - now < presets.week * 1000;
}
