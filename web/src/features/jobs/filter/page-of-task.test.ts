import { describe, expect, it } from 'vitest';
import type { Job } from '@/api/generated';
import { pageOfTask } from './page-of-task';

/** Pages of jobs with these tasks, one letter each. */
function server(...pages: string[]) {
  const asked: (string | undefined)[] = [];
  const fetchPage = (cursor?: string) => {
    asked.push(cursor);
    const index = Number(cursor ?? 0);
    const data = Array.from(pages[index] ?? '', (task, place) => ({ id: `${index}.${place}`, task }) as Job);
    return Promise.resolve(index + 1 < pages.length ? { data, next_cursor: String(index + 1) } : { data });
  };
  return { asked, fetchPage };
}

const ids = ({ data }: { data: Job[] }) => data.map(({ id }) => id);

describe('pageOfTask', () => {
  it('asks on until there are enough, and leaves out nothing', async () => {
    const { asked, fetchPage } = server('ab', 'aa', 'ab');
    const first = await pageOfTask(fetchPage, 'a', undefined, 2);
    expect(ids(first)).toEqual(['0.0', '1.0', '1.1']);
    expect(first.next_cursor).toBe('2');
    const second = await pageOfTask(fetchPage, 'a', first.next_cursor, 2);
    expect(ids(second)).toEqual(['2.0']);
    expect(second.next_cursor).toBeUndefined();
    expect(asked).toEqual([undefined, '1', '2']);
  });

  it('gives up for now after some pages without any', async () => {
    const { asked, fetchPage } = server('b', 'b', 'b', 'b', 'b', 'b', 'a');
    const page = await pageOfTask(fetchPage, 'a', undefined, 2);
    expect(ids(page)).toEqual([]);
    expect(page.next_cursor).toBe('5');
    expect(asked).toHaveLength(5);
  });
});
