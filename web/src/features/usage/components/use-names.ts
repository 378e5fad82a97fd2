/** What models and tokens are called where people read it. */
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { UsageGroup } from '@/api/generated';
import { allTokensQuery, labelsById } from '@/lib/tokens';
import { WEB } from '../series/series';

const END = 4;

export function useNames(by: UsageGroup) {
  const { t } = useTranslation('usage');
  const { data: tokens } = useQuery({ ...allTokensQuery, select: labelsById });
  return useCallback(
    (key: string | undefined): string => {
      if (key === undefined) return t('chart.other');
      if (by === 'model') return key;
      if (key === WEB) return t('share.web');
      return tokens?.get(key) ?? t('share.gone', { end: key.slice(-END) });
    },
    [by, t, tokens],
  );
}
