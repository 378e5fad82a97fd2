/** Sizes of machines and times of queues: larger than what a person's own pages show. */
const GIGABYTE = 1e9;
const MEGABYTE = 1e6;

/** Memory as `180 MB`, `20.2 GB`. */
export function formatMemory(language: string, bytes: number): string {
  const large = bytes >= GIGABYTE;
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: large ? 'gigabyte' : 'megabyte',
    maximumFractionDigits: large ? 1 : 0,
  }).format(bytes / (large ? GIGABYTE : MEGABYTE));
}

/** What stands between thousands, for fields of numbers: `,`. */
export function thousandsSeparator(language: string): string {
  const parts = new Intl.NumberFormat(language).formatToParts(10_000);
  return parts.find(({ type }) => type === 'group')?.value ?? '';
}

type Unit = 'day' | 'hour' | 'minute' | 'second';
const UNITS: [Unit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

/** Seconds in the two largest units that they have: `2 hr 5 min`, `40 sec`. Below a second: `0.3 sec`. */
export function formatSpan(language: string, seconds: number): string {
  const unit = (value: number, name: Unit, digits = 0) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit: name,
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(value);
  if (seconds < 10) return unit(seconds, 'second', 1);
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [name, size] of UNITS) {
    const value = Math.floor(left / size);
    if (value > 0 && parts.length < 2) parts.push(unit(value, name));
    // What is smaller than the second of two units says nothing any more.
    else if (parts.length > 0) break;
    left -= value * size;
  }
  return parts.join(' ');
}
