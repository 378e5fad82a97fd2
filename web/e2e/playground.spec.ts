import { gzipSync } from 'node:zlib';
import { expectAccessible } from './accessible';
import * as flows from './flows';
import { type Job, newPerson, PASSWORD, submit } from './people';
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

test('the chosen model is named with its state, and said what it is', async ({ page }) => {
  await flows.openPlayground(page, 'minilm');
  const picker = page.getByRole('button', { name: 'Model: minilm. Online. Choose another', exact: true });
  await expect(picker).toHaveAccessibleDescription(/\w{3}/);
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
  // What came until then stays where it was.
  await expect(page.getByText('chunk 3').first()).toBeVisible();
  await expect(page.getByText('This job has no output.')).toHaveCount(0);
});

test('a run goes on over a load of the page, for a guest too', async ({ page }) => {
  await flows.runEcho(page, { sleep_ms: 8_000, chunks: 16, lamp: 'still lit' });
  await expect(page.locator('[aria-live=polite]')).toContainText('chunk 1');
  await page.reload();
  await expect(flows.runStatus(page)).toContainText('Running');
  await expect(page.getByRole('button', { name: 'Cancel the run' })).toBeVisible();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await page.reload();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await expect(page.locator('pre', { hasText: 'still lit' })).toBeVisible();
});

test('on a narrow window a run comes into sight, with the way to cancel it', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"sleep_ms": 4000}');
  const run = page.getByRole('button', { name: 'Run', exact: true });
  await run.scrollIntoViewIfNeeded();
  await run.click();
  await expect(flows.runStatus(page)).toBeInViewport();
  await expect(page.getByRole('button', { name: 'Cancel the run' })).toBeInViewport();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
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

test('a guest who logs in comes back to what was written', async ({ page, server }) => {
  const { email } = await newPerson(server, 'returning');
  await page.goto('/playground');
  const text = page.getByRole('textbox', { name: 'Texts, number 1' });
  await text.fill('a lamp before the login');
  await page.getByRole('link', { name: 'Log in for everything else.' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/playground\?model=minilm&task=text-embedding$/);
  await expect(text).toHaveValue('a lamp before the login');
});

test('a link to a model that is not there fills in no other', async ({ page, contextFor }) => {
  await flows.openPlayground(page, 'minilm');
  await page.getByRole('textbox', { name: 'Texts, number 1' }).fill('for somebody else');
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page).toHaveURL(/#input=/);
  const link = page.url().replace('model=minilm', 'model=private-lamp');
  const other = await (await contextFor()).newPage();
  await other.goto(link);
  const login = other.getByRole('link', { name: 'Log in to use private-lamp.' });
  await expect(login).toBeVisible();
  await expect(other.getByRole('textbox', { name: 'Texts, number 1' })).not.toHaveValue('for somebody else');
  // What it brings is still there after a login.
  const href = new URL((await login.getAttribute('href')) ?? '', page.url());
  expect(href.searchParams.get('next')).toContain('#input=');
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

test('the end of a run is said in a place that was there before it', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'listener'))).newPage();
  await flows.openPlayground(page, 'echo');
  // What is put on the page together with its words, a screen reader says nothing of.
  const region = await page.locator('main [role=status]').last().elementHandle();
  await page.getByLabel('Input').fill('{"chunks": 3, "sleep_ms": 1000}');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  expect(await region.textContent()).toContain('Succeeded');
});
