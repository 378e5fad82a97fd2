import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible';
import * as flows from './flows';
import { startServer } from './harness/server';
import { startIssuer } from './harness/issuer';
import type { Installation } from './harness/installation';
import { newAddress, newPerson, PASSWORD } from './people';
import { expect, test as base } from './test';

const CLIENT = { id: 'lamplighter', secret: 'a secret of the tests' };

// A server of its own, which has an issuer in its settings.
const test = base.extend<object, { server: Installation }>({
  server: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, provide) => {
      const server = await startServer();
      const redirectUri = `${server.url}/v1/session/oidc/harbour/callback`;
      const issuer = await startIssuer({ ...CLIENT, redirectUri });
      server.endsWith(issuer);
      await configure(server.dataDir, issuer.url);
      await server.stopServing();
      await server.serveAgain();
      await provide(server);
      await server.end();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
});

async function configure(dataDir: string, issuer: string) {
  const secretFile = join(dataDir, 'harbour.secret');
  await writeFile(secretFile, `${CLIENT.secret}\n`, { mode: 0o600 });
  const settings = Object.entries({
    id: 'harbour',
    name: 'Harbour office',
    issuer,
    client_id: CLIENT.id,
    client_secret_file: secretFile,
  }).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  await writeFile(join(dataDir, 'lamplighter.toml'), `[[oidc]]\n${settings.join('')}`);
}

/** At the issuer: says who one is. */
async function answer(page: Page, email: string, button: 'Allow' | 'Refuse') {
  await expect(page.getByRole('heading', { name: 'Harbour office' })).toBeVisible();
  await page.getByLabel('Who are you?').fill(email);
  await page.getByRole('button', { name: button }).click();
}

test('somebody new comes in by a login elsewhere', async ({ page }) => {
  const email = newAddress('mio');
  await page.goto('/tokens');
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(page.getByRole('link', { name: 'Continue with Harbour office' })).toBeVisible();
  await expectAccessible(page, 'login-provider');
  await page.getByRole('link', { name: 'Continue with Harbour office' }).click();
  await answer(page, email, 'Allow');
  await expect(page).toHaveURL(/\/tokens$/);
  await page.getByRole('button', { name: 'Account of Mio of elsewhere' }).click();
  await expect(page.getByRole('menuitem', { name: email })).toBeVisible();
  // The account has this way in, and no password.
  await page.goto('/account/security');
  await expect(page.getByText('This account has no password.')).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: email })).toBeVisible();
});

test('what a guest wrote is still there after a login elsewhere', async ({ page }) => {
  await page.goto('/playground?model=minilm&task=text-embedding');
  const text = page.getByRole('textbox', { name: 'Texts, number 1' });
  await text.fill('a lamp that goes along');
  await page.getByRole('banner').getByRole('link', { name: 'Log in' }).click();
  await page.getByRole('link', { name: 'Continue with Harbour office' }).click();
  await answer(page, newAddress('rua'), 'Allow');
  await expect(page.getByRole('button', { name: 'Account of Mio of elsewhere' })).toBeVisible();
  await page.goto('/playground?model=minilm&task=text-embedding');
  await expect(text).toHaveValue('a lamp that goes along');
});

test('whoever refuses there is told so, and not logged in', async ({ page, server }) => {
  await page.goto('/login');
  await page.getByRole('link', { name: 'Continue with Harbour office' }).click();
  await answer(page, newAddress('shy'), 'Refuse');
  await expect(page).toHaveURL(`${server.url}/login`);
  await expect(page.getByRole('alert')).toContainText('The login there did not work.');
});

test('an account with a password is linked by its owner, and only then opened', async ({ page, server }) => {
  const { email } = await newPerson(server, 'owner');
  await page.goto('/login');
  await page.getByRole('link', { name: 'Continue with Harbour office' }).click();
  await answer(page, email, 'Allow');
  await expect(page.getByRole('alert')).toContainText('An account with this address exists already.');
  await flows.logIn(page, email, PASSWORD);
  await page.goto('/account/security');
  await page.getByRole('link', { name: 'Link Harbour office' }).click();
  // The issuer still knows them.
  await expect(page).toHaveURL(/\/account\/security$/);
  await expect(page.getByRole('listitem').filter({ hasText: email })).toBeVisible();
  await page.context().clearCookies();
  await page.goto('/login');
  await page.getByRole('link', { name: 'Continue with Harbour office' }).click();
  await answer(page, email, 'Allow');
  await expect(page).toHaveURL(/\/playground$/);
  await page.goto('/account/security');
  await page.getByRole('button', { name: 'Unlink' }).click();
  await expect(page.getByRole('button', { name: 'Unlink' })).toHaveCount(0);
});

base('without one in the settings there is no other way in', async ({ page }) => {
  const asked = page.waitForResponse((response) => response.url().endsWith('/v1/session/providers'));
  await page.goto('/login');
  expect(await (await asked).json()).toMatchObject({ data: [] });
  await expect(page.getByRole('main').getByRole('button', { name: 'Log in' })).toBeVisible();
  await expect(page.getByRole('link', { name: /^Continue with/ })).toHaveCount(0);
});
