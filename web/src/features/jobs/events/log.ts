/** What happened to a job while one looked on: told by comparing what was known before and after. */
import type { JobStatus } from '@/api/generated';
import type { JobState } from '@/lib/job-stream/state';

export type News =
  | { kind: 'status'; status: JobStatus }
  | { kind: 'place'; position: number; atLeast: boolean }
  | { kind: 'progress'; fraction: number; stage?: string | undefined }
  | { kind: 'text'; length: number }
  | { kind: 'output'; count: number }
  | { kind: 'restarted' }
  | { kind: 'connection'; state: 'open' | 'lost' };

export type Entry = News & { number: number; at: number };

/** Kept at most: a job of hours may tell of much. */
const MOST = 200;

export function newsOf(before: JobState | undefined, after: JobState): News[] {
  const news: News[] = [];
  const { job, progress } = after;
  if (
    after.connection !== before?.connection &&
    (after.connection === 'open' || after.connection === 'lost')
  ) {
    news.push({ kind: 'connection', state: after.connection });
  }
  if (job && job.status !== before?.job?.status) news.push({ kind: 'status', status: job.status });
  const { position, position_is_minimum: atLeast = false } = job?.queue ?? {};
  const { position: former, position_is_minimum: formerAtLeast = false } = before?.job?.queue ?? {};
  if (position !== undefined && (position !== former || atLeast !== formerAtLeast)) {
    news.push({ kind: 'place', position, atLeast });
  }
  const had = (before?.text.length ?? 0) + (before?.pieces.length ?? 0);
  if (had > 0 && after.text === '' && after.pieces.length === 0) news.push({ kind: 'restarted' });
  if (progress && progress !== before?.progress) news.push({ kind: 'progress', ...progress });
  if (after.text !== '' && after.text !== before?.text)
    news.push({ kind: 'text', length: after.text.length });
  if (after.pieces.length > 0 && after.pieces !== before?.pieces) {
    news.push({ kind: 'output', count: after.pieces.length });
  }
  return news;
}

/** What only grows takes the place of its kind since the last other entry, so that a long text is one line and not a thousand. */
const GROWING = new Set<News['kind']>(['place', 'progress', 'text', 'output']);

export function withNews(log: readonly Entry[], news: readonly News[], at: number): readonly Entry[] {
  let entries = log;
  for (const item of news) {
    const number = Math.max(-1, ...entries.map((entry) => entry.number)) + 1;
    const settled = entries.findLastIndex(({ kind }) => !GROWING.has(kind));
    const place = GROWING.has(item.kind)
      ? entries.findIndex(({ kind }, index) => index > settled && kind === item.kind)
      : -1;
    const former = entries[place];
    entries = former
      ? entries.with(place, { ...item, number: former.number, at })
      : [...entries, { ...item, number, at }];
  }
  return entries.slice(-MOST);
}
