import { describe, expect, it } from 'vitest';
import { parseEvents, type RawEvent } from './sse';

async function parse(bytes: Uint8Array, size: number): Promise<RawEvent[]> {
  async function* parts() {
    for (let at = 0; at < bytes.length; at += size) {
      await Promise.resolve();
      yield bytes.subarray(at, at + size);
    }
  }
  const events: RawEvent[] = [];
  for await (const event of parseEvents(parts())) events.push(event);
  return events;
}

const stream = [
  ': a comment',
  '',
  'event: output',
  'id: 1-1',
  'data: {"chunk":',
  'data: "燈火"}',
  '',
  'retry: 2000',
  '',
  'event: done',
  'data: {}',
  '',
  'event: cut',
  'data: off',
];

describe.each(['\n', '\r\n', '\r'])('lines ended by %j', (end) => {
  it.each([1, 2, 3, 7, 1000])('are read from pieces of %i bytes', async (size) => {
    const events = await parse(new TextEncoder().encode(stream.join(end)), size);
    expect(events).toEqual([
      { name: 'output', id: '1-1', data: '{"chunk":\n"燈火"}' },
      { name: 'message', retryMs: 2000 },
      { name: 'done', data: '{}' },
    ]);
  });
});
