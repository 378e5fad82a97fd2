import { AWAY } from './away';
import * as flows from './flows';
import { newPerson } from './people';
import { expect, test } from './test';

test('the server restarts in the middle of a stream, and the page comes to the end', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(...AWAY);
  const person = await newPerson(server, 'steadfast');
  const page = await (await contextFor(person)).newPage();
  await flows.runEcho(page, { sleep_ms: 10_000, chunks: 20, lamp: 'still lit' });
  const written = page.locator('[aria-live=polite]');
  await expect(written).toContainText('chunk 2');
  await server.stopServing();
  await expect(page.getByText('The connection was lost. The run goes on; connecting again…')).toBeVisible();
  await server.serveAgain();
  await expect(flows.runStatus(page)).toContainText('Succeeded', { timeout: 90_000 });
  await expect(page.getByText('The connection was lost')).toHaveCount(0);
  await expect(page.locator('pre', { hasText: 'still lit' })).toBeVisible();
});

test('the page of a job comes to the end over a restart, too', async ({ contextFor, server, watch }) => {
  watch.expect(...AWAY);
  const person = await newPerson(server, 'calm');
  const page = await (await contextFor(person)).newPage();
  await flows.runEcho(page, { sleep_ms: 10_000, chunks: 20, lamp: 'still lit' });
  await expect(flows.runStatus(page)).toContainText('Running');
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await page.getByRole('table').getByRole('link', { name: 'echo' }).click();
  await expect(page.getByText(/chunk \d/).first()).toBeVisible();
  await server.stopServing();
  await expect(page.getByText('The connection was lost. Reconnecting…')).toBeVisible();
  await server.serveAgain();
  // The run that the restart ended is told of while the next one goes.
  await expect(page.getByText('Handed back')).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole('status').filter({ hasText: 'Running' })).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: 'Succeeded' })).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText('The connection was lost')).toHaveCount(0);
});

test('what stands on the playground stays there over a restart, and over a look elsewhere', async ({
  contextFor,
  server,
  watch,
}) => {
  watch.expect(...AWAY);
  const person = await newPerson(server, 'rooted');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/playground');
  const first = page.getByRole('button', { name: 'Model: minilm. Online' });
  await expect(first).toBeVisible();
  const text = page.getByRole('textbox', { name: 'Texts, number 1' });
  await text.fill('a lamp that stays');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');

  // Models come up one after the other: this one is not there yet when the server is.
  await page.route('**/v1/models', async (route) => {
    const answer = await route.fetch().catch(() => undefined);
    if (!answer?.ok()) return route.abort();
    const body = (await answer.json()) as { data: { id: string; status: string }[] };
    for (const model of body.data) if (model.id === 'minilm') model.status = 'loading';
    return route.fulfill({ response: answer, json: body });
  });
  await server.stopServing();
  await server.serveAgain();
  await expect(page.getByRole('button', { name: 'Model: minilm. Loading' })).toBeVisible({ timeout: 60_000 });
  await expect(text).toHaveValue('a lamp that stays');
  await expect(flows.runStatus(page)).toContainText('Succeeded');

  await page.getByRole('button', { name: 'Similarity' }).click();
  await expect(flows.runStatus(page)).toHaveCount(0);
  await page.getByRole('button', { name: 'Embedding' }).click();
  await expect(text).toHaveValue('a lamp that stays');
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await expect(page.getByRole('region', { name: 'Similarity of the texts' })).toBeVisible();
});
