/** What to tell people of a failure. The server's words where it answered, ours where nothing came or a proxy spoke. */
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from './problem';
import { isMissedFile } from './site-files';

export function useMessageOf() {
  const { t } = useTranslation();
  return useCallback(
    (error: unknown): string => {
      if (isMissedFile(error)) return t('problem.part');
      if (error instanceof TypeError || (error instanceof ApiError && error.isOfProxy)) {
        return t('problem.connection');
      }
      if (!(error instanceof ApiError)) return t('problem.unknown');
      const said = error.message;
      const count = error.retryAfter === undefined ? 0 : Math.ceil(error.retryAfter);
      // Where the server has said it, once is enough.
      return count === 0 || namesNumber(said, count) ? said : `${said} ${t('problem.again', { count })}`;
    },
    [t],
  );
}

/** Whether a sentence has the number in it, not as a part of a larger one. */
export function namesNumber(sentence: string, number: number): boolean {
  return (sentence.match(/\d+/g) ?? []).some((digits) => Number(digits) === number);
}
