import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../problem';
import { type Connect, followJob } from './follow';
import { parseEvents } from './sse';

vi.mock('../i18n', () => ({ i18n: { language: 'en' } }));

const encoder = new TextEncoder();

/** Each connection brings these texts, then breaks off, or throws what is no text. */
function connections(...scripts: (string | Error)[]) {
  const asked: (string | undefined)[] = [];
  const connect: Connect = (_, after) => {
    asked.push(after);
    const script = scripts.shift() ?? new Error('no more connections');
    return parseEvents(
      (async function* () {
        await Promise.resolve();
        if (script instanceof Error) throw script;
        yield encoder.encode(script);
      })(),
    );
  };
  return { asked, connect };
}

function event(name: string, data: unknown, id?: string) {
  return `event: ${name}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
}

async function collect(connect: Connect, signal = new AbortController().signal) {
  const seen: string[] = [];
  for await (const item of followJob('job_1', signal, connect)) {
    if (item.type === 'connection') seen.push(item.state);
    else seen.push(item.type === 'output' ? `output ${String(item.chunk)}` : item.type);
  }
  return seen;
}

beforeEach(() => vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 }));
afterEach(() => vi.useRealTimers());

describe('followJob', () => {
  it('goes on where a broken connection ended, and leaves out what it has seen', async () => {
    const { asked, connect } = connections(
      event('status', { id: 'job_1', status: 'processing' }, '0-0') +
        event('output', { index: 0, chunk: 'a' }, '1-1'),
      new TypeError('connection refused'),
      event('output', { index: 0, chunk: 'a' }, '1-1') +
        event('output', { index: 1, chunk: 'b' }, '1-2') +
        event('done', { id: 'job_1', status: 'succeeded' }, '1-2'),
    );
    const seen = await collect(connect);
    expect(seen).toEqual(['open', 'status', 'output a', 'lost', 'lost', 'open', 'output b', 'done']);
    expect(asked).toEqual([undefined, '1-1', '1-1']);
  });

  it('tells of a new run', async () => {
    const { connect } = connections(
      event('output', { index: 0, chunk: 'a' }, '1-1') +
        event('reset', { epoch: 2 }, '1-1') +
        event('output', { index: 0, chunk: 'c' }, '2-1') +
        event('done', { id: 'job_1', status: 'succeeded' }, '2-1'),
    );
    expect(await collect(connect)).toEqual(['open', 'output a', 'reset', 'output c', 'done']);
  });

  it('stops where asking again can not help', async () => {
    const { connect } = connections(new ApiError(404, 'gone', 'not_found'));
    await expect(collect(connect)).rejects.toMatchObject({ status: 404 });
  });

  it('asks again when the server is too busy', async () => {
    const { asked, connect } = connections(
      new ApiError(503, 'busy', 'unavailable'),
      event('done', { id: 'job_1', status: 'succeeded' }),
    );
    expect(await collect(connect)).toEqual(['lost', 'open', 'done']);
    expect(asked).toHaveLength(2);
  });

  it('waits as long as the server says', async () => {
    const { connect } = connections(
      'retry: 1500\n\n' + event('status', { id: 'job_1', status: 'queued' }, '0-0'),
      event('done', { id: 'job_1', status: 'succeeded' }),
    );
    const from = Date.now();
    expect(await collect(connect)).toEqual(['open', 'status', 'lost', 'open', 'done']);
    expect(Date.now() - from).toBeGreaterThanOrEqual(750);
  });
});
