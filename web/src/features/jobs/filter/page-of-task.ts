/** Jobs of one task. The server has no filter for it, so they are picked out of its pages. */
import type { Job } from '@/api/generated';

interface JobPage {
  data: Job[];
  next_cursor?: string;
}

/** So that a rare task among very many jobs does not cost very many requests at once. */
const MOST_PAGES = 5;

/** Ends on the border of a page of the server's: it may hold more than `enough`, or fewer, and nothing is left out. */
export async function pageOfTask(
  fetchPage: (cursor?: string) => Promise<JobPage>,
  task: string,
  cursor: string | undefined,
  enough: number,
): Promise<JobPage> {
  const data: Job[] = [];
  let next = cursor;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const page = await fetchPage(next);
    data.push(...page.data.filter((job) => job.task === task));
    next = page.next_cursor;
    if (!next || data.length >= enough) break;
  }
  return next ? { data, next_cursor: next } : { data };
}
