/** The reading of event streams and the resuming of broken ones, without a real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAfter, type JobEvent, parse, type RawEvent } from '../src/events.js';
import { ApiError, Client, StreamLost } from '../src/index.js';
import { double, events, problem } from './double.js';

const done = 'event: done\nid: 1-3\ndata: {"id":"job_1","status":"succeeded"}\n\n';
const output = (id: string, index: number) => `event: output\nid: ${id}\ndata: {"index":${index},"chunk":"c${index}"}\n\n`;

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

test('a stream reads the same in pieces of every size', async () => {
  const text = ': hello\r\nretry: 2000\r\n\r\nevent: output\nid: 1-1\ndata: {"chunk":\ndata: "é\u2028水"}\n\nid: 1-2\rdata:x\r\rdata: cut off';
  const bytes = new TextEncoder().encode(text);
  const expected: RawEvent[] = [
    { name: 'message', retryMs: 2000 },
    { name: 'output', id: '1-1', data: '{"chunk":\n"é\u2028水"}' },
    { name: 'message', id: '1-2', data: 'x' },
  ];
  for (let size = 1; size <= bytes.length; size++) {
    assert.deepEqual(await collect(parse(pieces(bytes, size))), expected, `pieces of ${size} bytes`);
  }
});

test('event ids are compared as numbers, epoch first', () => {
  assert.ok(isAfter('1-10', '1-9'));
  assert.ok(isAfter('2-1', '1-99'));
  assert.ok(!isAfter('1-1', '1-1'));
  assert.ok(!isAfter('0-0', undefined));
});

test('a broken stream resumes after the last event and repeats none', async () => {
  await using server = await double(
    events(`retry: 10\n\n${output('1-1', 0)}event: output\nid: 1-2\nda`, true),
    problem(503, 'unavailable'),
    events(`${output('1-1', 0)}${output('1-2', 1)}event: later\ndata: {}\n\n${done}`),
  );
  const client = new Client({ server: server.url, token: 't' });
  const seen: JobEvent[] = await collect(client.stream('job_1'));
  assert.deepEqual(seen.map((event) => (event.type === 'output' ? event.index : event.type)), [0, 1, 'done']);
  assert.deepEqual(server.requests.map((request) => request.headers['last-event-id']), [undefined, '1-1', '1-1']);
  assert.equal(server.requests[0]?.headers.authorization, 'Bearer t');
});

test('a stream that never comes back says where to resume', async () => {
  await using server = await double(events(`retry: 1\n\n${output('1-1', 0)}`), problem(502, 'bad_gateway'));
  const client = new Client({ server: server.url, token: 't', attempts: 3 });
  await assert.rejects(collect(client.stream('job_1')), (error) => error instanceof StreamLost && error.lastEventId === '1-1');
  assert.equal(server.requests.length, 3);
});

test('a refusal ends a stream at once', async () => {
  await using server = await double(problem(404, 'not_found'));
  const client = new Client({ server: server.url, token: 't' });
  await assert.rejects(collect(client.stream('job_1')), (error) => error instanceof ApiError && error.code === 'not_found');
  assert.equal(server.requests.length, 1);
});

test('a model that is switched off is told at once', async () => {
  await using server = await double(problem(503, 'model_unavailable'));
  const client = new Client({ server: server.url, token: 't' });
  await assert.rejects(client.submit('echo', 'hi'), (error) => error instanceof ApiError && !error.temporary);
  assert.equal(server.requests.length, 1);
});

test('submit is sent again with the same idempotency key', async () => {
  await using server = await double(
    (response) => response.destroy(),
    problem(503, 'unavailable', { 'Retry-After': '0' }),
    (response) => {
      response.writeHead(202, { 'Content-Type': 'application/json; charset=utf-8' });
      response.end('{"id":"job_1","status":"queued"}');
    },
  );
  const client = new Client({ server: server.url, token: 't' });
  assert.equal((await client.submit('echo', 'hi')).id, 'job_1');
  const keys = server.requests.map((request) => request.headers['idempotency-key']);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
});
