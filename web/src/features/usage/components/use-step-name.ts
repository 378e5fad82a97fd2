/** What a step of the time is called: days are those of UTC, hours are shown by the reader's clock. */
import { useFormat } from '@/lib/use-format';
import { grainOf, type Range } from '../series/range';

export function useStepName(range: Range): (at: number) => string {
  const format = useFormat();
  return grainOf(range) === 'hour' ? format.hour : format.day;
}
