/** The whole way of somebody new, in whatever an installation is made of. */
import { expect, type Page, request, test } from '@playwright/test';
import * as flows from './flows';
import type { Installation } from './harness/installation';
import { newAddress } from './people';

export async function journey(page: Page, server: Installation) {
  const email = newAddress('newcomer');

  await test.step('register, and verify by the link of the mail', async () => {
    await flows.register(page, email);
    const mail = await server.mailbox.take(email);
    expect(mail.link).toMatch(new RegExp(`^${server.url}/verify#token=`));
    await flows.verifyByLink(page, mail.link);
  });

  await test.step('log in', () => flows.logIn(page, email));

  const token = await test.step('make a token; it is shown once', async () => {
    const text = await flows.createToken(page, 'nightly import');
    await page.reload();
    await expect(page.getByRole('table').getByText('nightly import')).toBeVisible();
    await expect(page.getByText(text)).toHaveCount(0);
    return text;
  });
  const api = await request.newContext({
    baseURL: server.url,
    extraHTTPHeaders: { Authorization: `Bearer ${token}` },
  });
  expect((await api.get('/v1/jobs')).status()).toBe(200);

  await test.step('run a job whose output comes in pieces', async () => {
    await flows.runEcho(page, { sleep_ms: 6000, chunks: 12, lamp: 'lit' });
    const written = page.locator('[aria-live=polite][aria-busy=true]');
    await expect(written).toContainText('chunk 0');
    // It grows while the job runs.
    await expect(flows.runStatus(page)).toContainText('Running');
    await expect(written).toContainText('chunk 5');
    await expect(flows.runStatus(page)).toContainText('Succeeded');
    await expect(page.locator('pre', { hasText: '"lit"' })).toBeVisible();
  });

  await test.step('run a model, and see what it made', async () => {
    await flows.openPlayground(page, 'minilm');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect(flows.runStatus(page)).toContainText('Succeeded');
    await expect(page.getByRole('region', { name: 'Similarity of the texts' })).toBeVisible();
    await expect(page.getByText('Computing')).toBeVisible();
  });

  await test.step('see them among the jobs', async () => {
    await page.getByRole('link', { name: 'Jobs' }).click();
    const rows = page.getByRole('table').getByRole('row').filter({ hasText: 'Succeeded' });
    await expect(rows).toHaveCount(2);
    await rows.filter({ hasText: 'echo' }).getByRole('link').click();
    await expect(page.getByRole('heading', { name: 'Job on echo' })).toBeVisible();
    await expect(page.getByText('Picked up')).toBeVisible();
    await expect(page.getByText('"lit"').first()).toBeVisible();
  });

  await test.step('and in what was used', async () => {
    await page.getByRole('link', { name: 'Usage' }).click();
    const main = page.getByRole('main');
    await expect(main.getByRole('listitem').filter({ hasText: 'minilm' }).first()).toBeVisible();
    await expect(main.locator('dt', { hasText: /^Jobs$/ }).locator('+ dd')).toHaveText('2');
  });

  await test.step('revoke the token: it is refused at once', async () => {
    await flows.revokeToken(page, 'nightly import');
    expect((await api.get('/v1/jobs')).status()).toBe(401);
    await page.getByText(/^Ended/).click();
    await expect(page.getByRole('table').getByText('Revoked').filter({ visible: true })).toBeVisible();
  });
  await api.dispose();
}
