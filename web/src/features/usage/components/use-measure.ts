/** A value of a measure in words. */
import { useCallback } from 'react';
import { useFormat } from '@/lib/use-format';
import type { Measure } from '../series/series';

export function useMeasure(measure: Measure) {
  const format = useFormat();
  return useCallback(
    (value: number) => (measure === 'compute' ? format.duration(value) : format.number(value)),
    [format, measure],
  );
}
