/** Against a real server (LAMPLIGHTER_SERVER, LAMPLIGHTER_TOKEN; sdk/test.sh starts one) with the model `echo`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listModels } from '../src/generated/index.js';
import { ApiError, Client, JobFailed, type JobEvent, WaitTimeout } from '../src/index.js';

const client = new Client();

test('submit and poll', async () => {
  const job = await client.submit('echo', { hello: 'wörld 水' }, { metadata: { from: 'typescript' } });
  assert.ok(job.id);
  const finished = await client.wait(job, { timeoutMs: 30_000 });
  assert.equal(finished.id, job.id);
  assert.equal(finished.status, 'succeeded');
  assert.deepEqual(finished.output, { hello: 'wörld 水' });
  assert.deepEqual(finished.metadata, { from: 'typescript' });
});

test('run gives the output; a text is an input too', async () => {
  assert.deepEqual(await client.run('echo', 'hello', { timeoutMs: 30_000 }), { text: 'hello' });
});

test('the event stream brings every chunk once, in order, then the whole job', async () => {
  const job = await client.submit('echo', { chunks: 25, sleep_ms: 200 });
  const seen: JobEvent[] = [];
  for await (const event of client.stream(job)) seen.push(event);
  const chunks = seen.filter((event) => event.type === 'output').map((event) => event.index);
  assert.deepEqual(chunks, Array.from({ length: 25 }, (_, index) => index));
  assert.ok(seen.every((event) => event.type !== 'status' || event.job.id === job.id));
  const last = seen.at(-1);
  assert.ok(last?.type === 'done' && last.job.status === 'succeeded' && last.job.id === job.id);
});

test('a stream can be left and taken up again after the last event seen', async () => {
  const job = await client.submit('echo', { chunks: 10, sleep_ms: 100 });
  const indexes: number[] = [];
  let after: string | undefined;
  for await (const event of client.stream(job)) {
    if (event.type !== 'output') continue;
    indexes.push(event.index);
    after = event.id;
    if (indexes.length === 4) break;
  }
  for await (const event of client.stream(job, { after })) if (event.type === 'output') indexes.push(event.index);
  assert.deepEqual(indexes, Array.from({ length: 10 }, (_, index) => index));
});

test('the same idempotency key gives the same job', async () => {
  const idempotencyKey = crypto.randomUUID();
  const first = await client.submit('echo', { n: 1 }, { idempotencyKey });
  assert.equal((await client.submit('echo', { n: 1 }, { idempotencyKey })).id, first.id);
  await assert.rejects(
    client.submit('echo', { n: 2 }, { idempotencyKey }),
    (error) => error instanceof ApiError && error.code === 'idempotency_key_reused',
  );
});

test('a refusal carries its code and points at the field', async () => {
  await assert.rejects(client.submit('echo', { sleep_ms: 'long' }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 422);
    assert.equal(error.code, 'validation_failed');
    assert.equal(error.errors[0]?.pointer, '/input/sleep_ms');
    return true;
  });
  await assert.rejects(new Client({ token: 'lmp_wrong' }).get('x'), (error) => error instanceof ApiError && error.status === 401);
});

test('a job that fails, is canceled or takes too long says so', async () => {
  await assert.rejects(client.run('echo', { fail: 'on purpose' }), (error) => {
    assert.ok(error instanceof JobFailed);
    assert.equal(error.job.status, 'failed');
    assert.match(error.message, /on purpose/);
    return true;
  });
  const job = await client.submit('echo', { sleep_ms: 60_000 });
  await assert.rejects(client.wait(job, { timeoutMs: 200 }), WaitTimeout);
  await client.cancel(job);
  assert.equal((await client.wait(job, { timeoutMs: 15_000 })).status, 'canceled');
});

test('generated operations work on the same connection', async () => {
  const { data } = await listModels({ client: client.api, throwOnError: true });
  assert.ok(data.data.some((model) => model.id === 'echo'));
});
