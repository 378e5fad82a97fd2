import { startFleet } from './harness/fleet';
import type { Installation } from './harness/installation';
import * as flows from './flows';
import { journey } from './journey';
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
  watch.expect(/ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET)/, /status of 50[234]/);
  await flows.runEcho(page, { sleep_ms: 10_000, chunks: 20, lamp: 'still lit' });
  await expect(page.locator('[aria-live=polite]')).toContainText('chunk 2');
  await server.stopServing();
  await expect(page.getByText('The connection was lost. The run goes on')).toBeVisible();
  await server.serveAgain();
  await expect(flows.runStatus(page)).toContainText('Done', { timeout: 90_000 });
  await expect(page.locator('pre', { hasText: 'still lit' })).toBeVisible();
});
