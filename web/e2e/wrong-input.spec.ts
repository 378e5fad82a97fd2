import type { Locator } from '@playwright/test';
import * as flows from './flows';
import { newPerson, PASSWORD } from './people';
import { expect, test } from './test';

/** The fault stands beside its field, also for a screen reader. */
async function expectFault(field: Locator, words: RegExp) {
  await expect(field).toHaveAccessibleDescription(words);
}

test('registration: no address, and what the server says of the password', async ({ page, watch }) => {
  watch.expect(/account\/register: .*status of 422/);
  await page.goto('/register');
  const email = page.getByLabel('E-mail address');
  const password = page.getByLabel(/^Password/);
  await email.fill('nobody');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expectFault(email, /That is no e-mail address\./);
  await expectFault(password, /Please fill this in\./);
  // Said before anything is chosen.
  await expectFault(password, /15 characters or more/);
  await email.fill('');
  await password.fill('too short');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expectFault(email, /Please fill this in\./);
  await email.fill('easy@example.org');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expectFault(password, /at least 15 characters/);
  await password.fill('passwordpassword');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expectFault(password, /easily guessed/);
  await expect(email).not.toHaveAccessibleDescription(/Please fill this in/);
});

test('set-up: a wrong token is said at its field', async ({ page, watch }) => {
  watch.expect(/v1\/setup: .*status of 422/);
  await page.goto('/setup');
  const token = page.getByLabel('Set-up token');
  await token.fill('a token that nobody made');
  await page.getByLabel('E-mail address').fill('founder@example.org');
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('button', { name: 'Set up', exact: true }).click();
  await expectFault(token, /It is wrong, was used already, or is too old\. .* setup\.token/);
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('login: a wrong password is said in words', async ({ page, server, watch }) => {
  watch.expect(/v1\/session: .*status of 401/);
  const { email } = await newPerson(server, 'clumsy');
  await page.goto('/login');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(`${PASSWORD}?`);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText(/password/i);
  await expect(page.getByLabel('E-mail address')).toHaveValue(email);
});

test('playground: a text that is missing', async ({ page }) => {
  await flows.openPlayground(page, 'minilm');
  const texts = page.getByRole('group', { name: 'Texts' });
  while ((await texts.getByRole('textbox').count()) > 1) {
    await texts.getByRole('button', { name: /^Remove number 1 / }).click();
  }
  await texts.getByRole('textbox').fill('');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Please fill this in.')).toBeVisible();
  await expect(flows.runStatus(page)).toHaveCount(0);
});

test('playground: what is no JSON', async ({ page }) => {
  await flows.openPlayground(page, 'echo');
  const input = page.getByLabel('Input');
  await input.fill('{"hello": ');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expectFault(input, /That is not valid JSON\./);
});

test('playground: what the server finds in free JSON', async ({ page, watch }) => {
  watch.expect(/v1\/jobs: .*status of 422/);
  await flows.openPlayground(page, 'echo');
  const input = page.getByLabel('Input');
  await input.fill('{"sleep_ms": "long"}');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expectFault(input, /integer/);
});

test('tokens: a name is needed', async ({ contextFor, member }) => {
  const page = await (await contextFor(member)).newPage();
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create token' }).click();
  await expectFault(dialog.getByLabel('Name'), /Give it a name\./);
});

test('account: a wrong current password is said at its field', async ({ contextFor, member, watch }) => {
  watch.expect(/account\/password: .*status of 401/);
  const page = await (await contextFor(member)).newPage();
  await page.goto('/account/security');
  await page.getByLabel(/^Current password/).fill('not the password at all');
  await page.getByLabel(/^New password/).fill('seven boats under one moon, twice');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await expectFault(page.getByLabel(/^Current password/), /wrong/);
});
