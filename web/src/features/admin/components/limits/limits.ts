/** The limits of plans and tokens, as a form has them. */
import type { JobPriority, TokenLimits } from '@/api/generated';
import { movePointers } from '@/lib/problem';

export const limitFields = [
  'requests_per_minute',
  'burst',
  'jobs_per_hour',
  'jobs_per_day',
  'waiting',
  'running',
  'weight',
] as const;

export type LimitField = (typeof limitFields)[number];

export const allPriorities: readonly JobPriority[] = ['low', 'normal', 'high'];

/** A field that is empty has no value of its own. */
export type LimitValues = Record<LimitField, number | string> & { priorities: JobPriority[] };

export function toValues(limits: TokenLimits): LimitValues {
  const numbers = Object.fromEntries(limitFields.map((field) => [field, limits[field] ?? '']));
  return { ...(numbers as Record<LimitField, number | string>), priorities: [...(limits.priorities ?? [])] };
}

/** Only what has a value. */
export function fromValues(values: LimitValues): TokenLimits {
  const numbers = limitFields.filter((field) => values[field] !== '');
  return {
    ...Object.fromEntries(numbers.map((field) => [field, Number(values[field])])),
    ...(values.priorities.length > 0 ? { priorities: values.priorities } : {}),
  };
}

/** What differs from before. */
export function changesOf(before: TokenLimits, after: TokenLimits): TokenLimits {
  const same = (a: JobPriority[] = [], b: JobPriority[] = []) =>
    allPriorities.every((priority) => a.includes(priority) === b.includes(priority));
  const numbers = limitFields.filter((field) => after[field] !== undefined && after[field] !== before[field]);
  return {
    ...Object.fromEntries(numbers.map((field) => [field, after[field]])),
    ...(same(before.priorities, after.priorities) ? {} : { priorities: after.priorities ?? [] }),
  };
}

/** A refusal of limits that stood under `/limits` of the body: the form has them at its top. */
export function atTop(error: unknown): unknown {
  return movePointers(error, (pointer) => pointer.replace(/^\/limits(?=\/)/, ''));
}
