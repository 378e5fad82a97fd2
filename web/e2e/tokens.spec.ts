import { type APIRequestContext, request } from '@playwright/test';
import * as flows from './flows';
import type { Installation } from './harness/installation';
import { answered, newPerson, type Person } from './people';
import { expect, test } from './test';

interface Token {
  name: string;
  status: string;
  created_at: string;
  expires_at: string;
  scopes: string[];
  models?: string[];
  plan?: string;
}

const DAY_MS = 86_400_000;

/** Whoever holds this token. */
function holder(server: Installation, token: string): Promise<APIRequestContext> {
  const extraHTTPHeaders = { Authorization: `Bearer ${token}` };
  return request.newContext({ baseURL: server.url, extraHTTPHeaders });
}

async function statusWith(server: Installation, token: string): Promise<number> {
  const api = await holder(server, token);
  const status = (await api.get('/v1/jobs')).status();
  await api.dispose();
  return status;
}

async function tokenOf({ api }: Person, name: string): Promise<Token | undefined> {
  const { data } = await answered<{ data: Token[] }>(api.get('/v1/tokens'));
  return data.find((token) => token.name === name);
}

function daysOf(token: Token | undefined): number {
  return token ? (Date.parse(token.expires_at) - Date.parse(token.created_at)) / DAY_MS : 0;
}

test('rotated: the new one is shown once, the old one ends at once', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'turner'))).newPage();
  const old = await flows.createToken(page, 'backup');
  expect(await statusWith(server, old)).toBe(200);
  const fresh = await flows.rotateToken(page, 'backup');
  expect(fresh).not.toBe(old);
  expect(await statusWith(server, fresh)).toBe(200);
  expect(await statusWith(server, old)).toBe(401);
  await expect(page.getByText(fresh)).toHaveCount(0);
  await page.reload();
  await expect(page.getByRole('table').getByText('backup')).toHaveCount(1);
  await expect(page.getByText(fresh)).toHaveCount(0);
});

test('rotated with an overlap: both are taken until the old one is revoked', async ({
  contextFor,
  server,
}) => {
  const page = await (await contextFor(await newPerson(server, 'overlapper'))).newPage();
  const old = await flows.createToken(page, 'mirror');
  const fresh = await flows.rotateToken(page, 'mirror', 'keeps working for 1 hour');
  expect(await statusWith(server, old)).toBe(200);
  expect(await statusWith(server, fresh)).toBe(200);
  // The old one is the one that can't be rotated again.
  const rows = page.getByRole('row').filter({ hasText: 'mirror' });
  await expect(rows).toHaveCount(2);
  await rows
    .filter({ hasText: old.slice(-4) })
    .getByRole('button', { name: 'Actions for mirror' })
    .click();
  await expect(page.getByRole('menuitem', { name: 'Rotate' })).toHaveCount(0);
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  expect(await statusWith(server, old)).toBe(401);
  expect(await statusWith(server, fresh)).toBe(200);
});

test('deleted: asked about first, then gone from the list and refused', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'remover'))).newPage();
  const secret = await flows.createToken(page, 'one-off');
  const ask = async () => {
    await page.getByRole('button', { name: 'Actions for one-off' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    return page.getByRole('dialog', { name: 'Delete “one-off”?' });
  };
  const dialog = await ask();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  expect(await statusWith(server, secret)).toBe(200);
  await (await ask()).getByRole('button', { name: 'Delete token' }).click();
  await expect(page.getByText('“one-off” is deleted.')).toBeVisible();
  await expect(page.getByRole('table')).toHaveCount(0);
  expect(await statusWith(server, secret)).toBe(401);
});

test('good for as long as one says: presets, and until a day', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'timer');
  const page = await (await contextFor(person)).newPage();
  for (const [length, days] of [
    ['1 hour', 1 / 24],
    ['7 days', 7],
    ['1 year', 365],
  ] as const) {
    await flows.createToken(page, length, async (dialog) => {
      await dialog.getByText(length, { exact: true }).click();
      await expect(dialog.getByRole('radio', { name: length })).toBeChecked();
      await expect(dialog.getByText(/^Ends on /)).toBeVisible();
    });
    expect(daysOf(await tokenOf(person, length))).toBeCloseTo(days, 3);
  }
  await flows.createToken(page, 'until a day', async (dialog) => {
    await dialog.getByText('Until a date', { exact: true }).click();
    const day = dialog.getByLabel('Last day');
    const submit = dialog.getByRole('button', { name: 'Create token' });
    await submit.click();
    await expect(day).toHaveAccessibleDescription(/Choose a day\./);
    await day.fill('2000-01-01');
    await submit.click();
    await expect(day).toHaveAccessibleDescription(/This day is over, or almost\./);
    await day.fill(dayFromNow(500));
    await submit.click();
    await expect(day).toHaveAccessibleDescription(/A token lasts at most 366 days\./);
    await day.fill(dayFromNow(10));
  });
  // That day is still included.
  const days = daysOf(await tokenOf(person, 'until a day'));
  expect(days).toBeGreaterThan(9.9);
  expect(days).toBeLessThan(11.1);
});

function dayFromNow(days: number): string {
  return new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
}

test('limited to a scope and a model, and its use is seen in the drawer', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'careful');
  const page = await (await contextFor(person)).newPage();
  const secret = await flows.createToken(page, 'echo only', async (dialog) => {
    for (const box of await dialog.getByRole('checkbox').all()) await box.uncheck();
    await dialog.getByRole('button', { name: 'Create token' }).click();
    await expect(dialog.getByText('Choose at least one.')).toBeVisible();
    await dialog.getByRole('checkbox', { name: 'Submit and cancel jobs' }).check();
    await dialog.getByRole('combobox', { name: 'Models' }).click();
    await page.getByRole('option', { name: 'echo' }).click();
    await page.keyboard.press('Tab');
  });
  expect(await tokenOf(person, 'echo only')).toMatchObject({ scopes: ['jobs:write'], models: ['echo'] });
  const api = await holder(server, secret);
  expect((await api.get('/v1/account')).status()).toBe(403);
  const run = (model: string, input: object) =>
    api.post('/v1/jobs', { data: { model, input }, headers: { Prefer: 'wait=60' }, timeout: 90_000 });
  expect((await run('minilm', { texts: ['a', 'b'] })).ok()).toBe(false);
  expect((await run('echo', { lamp: 'lit' })).ok()).toBe(true);
  await api.dispose();

  await page.reload();
  await page.getByRole('button', { name: 'Usage of echo only' }).click();
  const drawer = page.getByRole('dialog', { name: 'Usage of “echo only”' });
  await expect(drawer.getByRole('img', { name: '1 job in the last 30 days' })).toBeVisible();
  await expect(drawer.locator('dt', { hasText: /^In all$/ }).locator('+ dd')).toHaveText('1');
  await expect(drawer.getByRole('row', { name: /^Models/ })).toContainText('echo');
  await drawer.getByRole('link', { name: 'Open in Usage' }).click();
  await expect(page).toHaveURL(/\/usage\?token=/);
});

test('a plan of its own: offered to administrators only, and seen with the token', async ({
  contextFor,
  server,
}) => {
  const admin = await newPerson(server, 'planner', { admin: true });
  const page = await (await contextFor(admin)).newPage();
  await flows.createToken(page, 'trial', async (dialog) => {
    await expect(dialog.getByLabel('Plan').getByRole('option').first()).toHaveText(/^Mine \(/);
    await dialog.getByLabel('Plan').selectOption('guest');
  });
  expect(await tokenOf(admin, 'trial')).toMatchObject({ plan: 'guest' });
  await page.getByRole('button', { name: 'Usage of trial' }).click();
  const drawer = page.getByRole('dialog', { name: 'Usage of “trial”' });
  await expect(drawer.getByRole('row', { name: /^Plan/ })).toContainText('guest');

  const other = await (await contextFor(await newPerson(server, 'plain'))).newPage();
  await other.goto('/tokens');
  await other.getByRole('button', { name: 'New token' }).click();
  await expect(other.getByRole('dialog').getByLabel('Name')).toBeVisible();
  await expect(other.getByRole('dialog').getByLabel('Plan')).toHaveCount(0);
});
