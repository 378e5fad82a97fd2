/** Numbers, times and sizes in the reader's language. */
const MS_A_SECOND = 1000;
const MS_A_MINUTE = 60_000;

export function formatNumber(language: string, value: number, digits = 0): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

export function formatPercent(language: string, fraction: number, digits = 1): string {
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: digits }).format(
    fraction,
  );
}

/** Milliseconds as `8 ms`, `1.4 s`, `2.5 min`. */
export function formatDuration(language: string, ms: number): string {
  const unit = (value: number, name: string, digits: number) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit: name,
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(value);
  if (ms < MS_A_SECOND) return unit(ms, 'millisecond', ms < 10 ? 1 : 0);
  if (ms < MS_A_MINUTE) return unit(ms / MS_A_SECOND, 'second', 1);
  return unit(ms / MS_A_MINUTE, 'minute', 1);
}

export function formatBytes(language: string, bytes: number): string {
  const unit = bytes < 1e3 ? 'byte' : bytes < 1e6 ? 'kilobyte' : 'megabyte';
  const size = { byte: 1, kilobyte: 1e3, megabyte: 1e6 }[unit];
  const format = new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: 1 });
  return format.format(bytes / size);
}

export function formatDate(language: string, value: string | Date): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(
    new Date(value),
  );
}

/** `30 Nov`: a day of the server's, which are those of UTC. */
export function formatDay(language: string, value: string | number | Date): string {
  return new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(
    new Date(value),
  );
}

/** `14:05` */
export function formatHour(language: string, value: string | number | Date): string {
  return new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' }).format(new Date(value));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** `5 minutes ago`, `in 3 days`. */
export function formatRelative(language: string, value: string | Date, now = Date.now()): string {
  const seconds = (new Date(value).getTime() - now) / MS_A_SECOND;
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const step = STEPS.find(([, size]) => Math.abs(seconds) >= size);
  return step ? format.format(Math.round(seconds / step[1]), step[0]) : format.format(0, 'second');
}
