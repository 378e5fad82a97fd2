/** How many jobs are ahead of one, in words; the server counts only so far, and says where it stopped. */
import type { TFunction } from 'i18next';

export function placeIn(t: TFunction<'jobs'>, position: number, atLeast: boolean): string {
  if (atLeast) return t('timeline.aheadAtLeast', { count: position });
  return position === 0 ? t('list.next') : t('timeline.ahead', { count: position });
}
