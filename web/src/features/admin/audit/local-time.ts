/** Times of the API in the form of `<input type="datetime-local">`, which knows no zone, and back. */
const MS_A_MINUTE = 60_000;

export function toLocal(instant: string | undefined): string {
  const time = new Date(instant ?? Number.NaN);
  if (Number.isNaN(time.getTime())) return '';
  return new Date(time.getTime() - time.getTimezoneOffset() * MS_A_MINUTE).toISOString().slice(0, 16);
}

export function fromLocal(local: string): string | undefined {
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
