import { gzipSync } from 'node:zlib';
import { expectAccessible } from './accessible';
import * as flows from './flows';
import { type Job, newPerson, submit } from './people';
import { expect, test } from './test';

const BUDGET_BYTES = 250_000;
/** As many jobs of one model as the plan of a new account lets run at once. */
const RUNNING_AT_ONCE = 8;

test('a guest runs a model', async ({ page }) => {
  await flows.openPlayground(page, 'minilm');
  await expect(page.getByText('You are trying this without an account')).toBeVisible();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await expect(page.getByRole('region', { name: 'Similarity of the texts' })).toBeVisible();
  await expectAccessible(page, 'playground-result');
  // And sees it as JSON, and as code.
  await page.getByRole('tab', { name: 'JSON' }).click();
  await expect(page.locator('pre', { hasText: 'embeddings' })).toBeVisible();
  await page.getByRole('tab', { name: 'As code' }).click();
  await expect(page.getByRole('tabpanel').locator('pre', { hasText: 'curl' })).toBeVisible();
  await expectAccessible(page, 'playground-code');
});

test('a job is canceled while it waits', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'patient');
  const long = await Promise.all(
    Array.from({ length: RUNNING_AT_ONCE }, () => submit(person.api, 'echo', { sleep_ms: 600_000 })),
  );
  const page = await (await contextFor(person)).newPage();
  await flows.runEcho(page, { hello: 'later' });
  await expect(flows.runStatus(page)).toContainText('Queued');
  await page.getByRole('button', { name: 'Cancel the run' }).click();
  await expect(flows.runStatus(page)).toContainText('Canceled');
  await expect(page.getByRole('button', { name: 'Run', exact: true })).toBeVisible();
  await page.goto('/jobs?status=canceled');
  await expect(page.getByRole('table').getByRole('row').filter({ hasText: 'echo' })).toHaveCount(1);
  await Promise.all(long.map(({ id }) => person.api.post(`/v1/jobs/${id}/cancel`)));
});

test('a job is canceled while it runs, on its own page', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'sudden');
  const { id } = await submit(person.api, 'echo', { sleep_ms: 600_000, chunks: 6000 });
  const page = await (await contextFor(person)).newPage();
  await page.goto(`/jobs/${id}`);
  await expect(page.getByText('chunk 3')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel job' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Canceled' })).toBeVisible();
  const job = (await (await person.api.get(`/v1/jobs/${id}`)).json()) as Job;
  expect(job.status).toBe('canceled');
});

test('a link shares the input', async ({ page, context, contextFor }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"shared": "lantern"}');
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await (await contextFor()).newPage();
  await other.goto(link);
  await expect(other.getByLabel('Input')).toHaveValue(/lantern/);
});

test('the first load stays within its budget', async ({ page }) => {
  const sizes: Promise<{ url: string; bytes: number }>[] = [];
  page.on('response', (response) => {
    const type = response.headers()['content-type'] ?? '';
    if (!type.includes('javascript')) return;
    const measured = response.body().then((body) => gzipSync(body, { level: 9 }).length);
    sizes.push(measured.then((bytes) => ({ url: response.url(), bytes })));
  });
  await page.goto('/playground');
  await expect(page.getByRole('button', { name: 'Run', exact: true })).toBeVisible();
  await page.waitForLoadState('networkidle');
  const scripts = await Promise.all(sizes);
  const total = scripts.reduce((sum, { bytes }) => sum + bytes, 0);
  test.info().annotations.push({ type: 'JavaScript, gzip', description: `${total} bytes` });
  console.log(`first load of /playground: ${total} bytes of JavaScript in ${scripts.length} files, gzip`);
  expect(scripts.length).toBeGreaterThan(0);
  expect(total).toBeLessThanOrEqual(BUDGET_BYTES);
});
