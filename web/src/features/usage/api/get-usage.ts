/** What was used over a period, told apart by model or by token; with what is left now. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { getUsage, type Usage, type UsageGroup } from '@/api/generated';
import { grainOf, type Range, startOf } from '../series/range';

export interface UsageFilter {
  range: Range;
  model?: string | undefined;
  token?: string | undefined;
}

/** Knows its period: while another one is on its way, the one before is still shown. */
export interface RangedUsage extends Usage {
  range: Range;
}

const FRESH_MS = 15_000;

export const usageQuery = ({ range, model, token }: UsageFilter, by: UsageGroup) =>
  queryOptions({
    queryKey: ['usage', 'series', { range, model, token, by }],
    queryFn: async ({ signal }): Promise<RangedUsage> => {
      const from = new Date(startOf(range, Date.now())).toISOString();
      const query = { from, grain: grainOf(range), group_by: by, model, token };
      return { range, ...(await getUsage({ query, signal })) };
    },
    placeholderData: keepPreviousData,
    refetchInterval: FRESH_MS,
  });
