/** What to tell people of a failure. The server's words where it answered, ours where nothing came. */
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from './problem';

export function useMessageOf() {
  const { t } = useTranslation();
  return useCallback(
    (error: unknown): string => {
      if (error instanceof ApiError && !error.isOfProxy) {
        const again = error.retryAfter
          ? ` ${t('problem.again', { count: Math.ceil(error.retryAfter) })}`
          : '';
        return error.message + again;
      }
      return error instanceof TypeError || error instanceof ApiError
        ? t('problem.connection')
        : t('problem.unknown');
    },
    [t],
  );
}
