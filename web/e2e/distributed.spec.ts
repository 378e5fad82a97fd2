import { expectAccessible } from './accessible';
import { AWAY } from './away';
import { startFleet } from './harness/fleet';
import type { Installation } from './harness/installation';
import * as flows from './flows';
import { journey } from './journey';
import { newPerson } from './people';
import { test as base, expect } from './test';

// The same tests' tools, with a fleet where the others have one process.
const test = base.extend<object, { server: Installation }>({
  server: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, provide) => {
      const fleet = await startFleet();
      await provide(fleet);
      await fleet.end();
    },
    { scope: 'worker', timeout: 300_000 },
  ],
});

test('from registration to a revoked token, in a fleet', async ({ page, server }) => {
  await journey(page, server);
});

test('a guest runs a model of a fleet, and its API restarts meanwhile', async ({ page, server, watch }) => {
  watch.expect(...AWAY);
  await flows.runEcho(page, { sleep_ms: 10_000, chunks: 20, lamp: 'still lit' });
  await expect(page.locator('[aria-live=polite]')).toContainText('chunk 2');
  await server.stopServing();
  await expect(page.getByText('The connection was lost. The run goes on')).toBeVisible();
  await server.serveAgain();
  await expect(flows.runStatus(page)).toContainText('Succeeded', { timeout: 90_000 });
  await expect(page.locator('pre', { hasText: 'still lit' })).toBeVisible();
});

test('a worker is drained: it takes no job until it is resumed', async ({ contextFor, server }) => {
  const admin = await newPerson(server, 'fleet-admin', { admin: true });
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/fleet');
  const worker = page.getByRole('article').filter({ has: page.getByRole('heading', { level: 3 }) });
  await expect(worker.getByText('Active', { exact: true })).toBeVisible();
  const order = async (name: 'Drain' | 'Resume', done: RegExp) => {
    await worker.getByRole('button', { name }).click();
    await page.getByRole('dialog').getByRole('button', { name }).click();
    await expect(page.getByText(done)).toBeVisible();
  };
  await order('Drain', / is draining\.$/);
  await expect(worker.getByText('Drained', { exact: true })).toBeVisible();
  await expectAccessible(page, 'fleet-drained');

  const runs = await (await contextFor(admin)).newPage();
  await flows.runEcho(runs, { lamp: 'later' });
  await expect(flows.runStatus(runs)).toContainText('Queued');
  await expect(runs.getByText('No worker serves this model right now')).toBeVisible();
  await order('Resume', / takes jobs again\.$/);
  await expect(worker.getByText('Active', { exact: true })).toBeVisible();
  await expect(flows.runStatus(runs)).toContainText('Succeeded');
});
