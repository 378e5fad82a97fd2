/** Calls of which a double click makes one. */
import { hashKey } from '@tanstack/react-query';

/** How far apart the clicks of a double click may be, by what systems take for one. */
const DOUBLE_CLICK_MS = 500;

/**
 * The same first argument again, while the first call is on its way or has just gone well, gives the first answer. After a
 * failure it may be tried again at once, and so may something else.
 */
export function once<Args extends unknown[], Data>(
  call: (...args: Args) => Promise<Data>,
): (...args: Args) => Promise<Data> {
  let last: { key: string; answer: Promise<Data> } | undefined;
  return (...args) => {
    const key = hashKey([args[0]]);
    if (last?.key === key) return last.answer;
    const answer = call(...args);
    const mine = { key, answer };
    last = mine;
    const forget = () => {
      if (last === mine) last = undefined;
    };
    answer.then(() => setTimeout(forget, DOUBLE_CLICK_MS), forget);
    return answer;
  };
}
