/** How many jobs are ahead of one, in words; the server counts only so far, and says where it stopped. */
import { useTranslation } from 'react-i18next';

export function usePlace() {
  const { t } = useTranslation('jobs');
  return (position: number, atLeast: boolean): string => {
    if (atLeast) return t('timeline.aheadAtLeast', { count: position });
    return position === 0 ? t('list.next') : t('timeline.ahead', { count: position });
  };
}
