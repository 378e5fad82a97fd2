import type { Page } from '@playwright/test';
import * as flows from './flows';
import { answered, newAddress, newPerson, type Person, submit } from './people';
import { expect, test } from './test';

async function idOf({ email }: Pick<Person, 'email'>, admin: Person): Promise<string> {
  const { data } = await answered<{ data: { id: string }[] }>(admin.api.get(`/v1/users?q=${email}`));
  return data[0]?.id ?? '';
}

async function confirm(page: Page, action: string, done: string) {
  await page.getByRole('dialog').getByRole('button', { name: action }).click();
  await expect(page.getByText(done)).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
}

test('somebody is disabled: out at once, and in again when enabled', async ({
  contextFor,
  server,
  admin,
  watch,
}) => {
  watch.expect(/v1\/session: .*status of 40[13]/);
  const person = await newPerson(server, 'rascal');
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/users');
  await page.getByLabel('Search').fill(person.email);
  await expect(page).toHaveURL(/[?&]q=/);
  await page.getByRole('link', { name: person.email }).click();
  await expect(page.getByRole('heading', { name: person.email, level: 1 })).toBeVisible();
  await page.getByRole('button', { name: 'Disable account' }).click();
  await confirm(page, 'Disable account', `${person.email} is disabled.`);
  await expect(page.getByText('Disabled', { exact: true })).toBeVisible();
  expect((await person.api.get('/v1/session')).status()).toBe(401);
  const theirs = await (await contextFor()).newPage();
  await theirs.goto('/login');
  await theirs.getByLabel('E-mail address').fill(person.email);
  await theirs.getByLabel(/^Password/).fill('nine lamps light the harbour road');
  await theirs.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(theirs.getByRole('alert')).toContainText(/disabled/);
  await page.getByRole('button', { name: 'Enable account' }).click();
  await confirm(page, 'Enable account', `${person.email} is enabled again.`);
  await flows.logIn(theirs, person.email);
});

test('a plan is changed, holds at once, and goes back to the settings', async ({
  contextFor,
  server,
  admin,
}) => {
  const person = await newPerson(server, 'planned');
  const page = await (await contextFor(admin)).newPage();
  await page.goto(`/admin/users/${await idOf(person, admin)}`);
  await page.getByLabel('Plan', { exact: true }).selectOption('pro');
  await confirm(page, 'Change plan', `${person.email} is now on the plan “pro”.`);
  await expect(page.getByLabel('Plan', { exact: true })).toHaveValue('pro');

  await page.goto('/admin/plans');
  const card = page.getByRole('article', { name: 'pro' });
  const edit = card.getByRole('button', { name: 'Edit the plan pro' });
  await edit.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Jobs per hour').fill('');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByLabel('Jobs per hour')).toHaveAccessibleDescription(/Give a number\./);
  await dialog.getByLabel('Jobs per hour').fill('1');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('The plan “pro” is saved.')).toBeVisible();
  await expect(card.getByText('Changed', { exact: true })).toBeVisible();
  await submit(person.api, 'echo', { first: true });
  const second = await person.api.post('/v1/jobs', { data: { model: 'echo', input: { second: true } } });
  expect(second.status()).toBe(429);

  await edit.click();
  await dialog.getByRole('button', { name: 'Reset to settings' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset to settings' }).click();
  await expect(card.getByText('Changed', { exact: true })).toHaveCount(0);
  await submit(person.api, 'echo', { second: true });
});

test('somebody is invited by mail, comes by its link, and is on the plan of the invitation', async ({
  contextFor,
  page: theirs,
  server,
  admin,
}) => {
  const email = newAddress('guest-of-honour');
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/users?view=invitations');
  await page.getByRole('button', { name: 'Invite somebody' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail (optional)').fill(email);
  await dialog.getByLabel('Plan', { exact: true }).selectOption('pro');
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  const shown = (await dialog.getByLabel('Invitation link').textContent()) ?? '';
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  const { link } = await server.mailbox.take(email);
  expect(link).toBe(shown);

  await theirs.goto(link);
  await expect(theirs).toHaveURL(`${server.url}/register`);
  await expect(theirs.getByLabel('Invitation')).toHaveValue(/.{20}/);
  await flows.fillRegistration(theirs, email);
  await flows.verifyByLink(theirs, (await server.mailbox.take(email)).link);
  await flows.logIn(theirs, email);

  await page.reload();
  const row = page.getByRole('row').filter({ hasText: email });
  await expect(row).toContainText('Used');
  await page.goto(`/admin/users/${await idOf({ email }, admin)}`);
  await expect(page.getByLabel('Plan', { exact: true })).toHaveValue('pro');
});

test('an invitation is revoked', async ({ contextFor, page: theirs, admin, watch }) => {
  watch.expect(/account\/register: .*status of 4\d\d/);
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/users?view=invitations');
  await page.getByRole('button', { name: 'Invite somebody' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  const link = (await dialog.getByLabel('Invitation link').textContent()) ?? '';
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await expect(dialog).toBeHidden();
  const row = page.getByRole('row').filter({ hasText: 'Whoever has the link' }).first();
  await row.getByRole('button', { name: 'Revoke' }).click();
  await confirm(page, 'Revoke', 'The invitation is revoked.');
  await theirs.goto(link);
  await theirs.getByLabel('E-mail address').fill(newAddress('too-late'));
  await theirs.getByLabel(/^Password/).fill('nine lamps light the harbour road');
  await theirs.getByRole('button', { name: 'Make the account' }).click();
  await expect(theirs.getByLabel('Invitation')).toHaveAccessibleDescription(/ask for a new one/);
});

test('the outbox lists the mails, and none of what they say', async ({ contextFor, page, server, admin }) => {
  const email = newAddress('reader');
  await flows.register(page, email);
  const mail = await server.mailbox.take(email);
  const theirs = await (await contextFor(admin)).newPage();
  await theirs.goto('/admin/outbox');
  const row = theirs.getByRole('table').getByRole('row').filter({ hasText: email });
  await expect(row).toContainText('Verify your address');
  await expect(row).toContainText('Sent');
  await expect(theirs.getByText(mail.code ?? '', { exact: false })).toHaveCount(0);
  await theirs.getByText('Given up', { exact: true }).click();
  await expect(theirs).toHaveURL(/state=dead$/);
  await expect(theirs.getByText('No mail was given up')).toBeVisible();
});

test('a model is switched off and on again', async ({ contextFor, page, server, admin }) => {
  await server.createUser(newAddress('nobody'), { password: 'nine lamps light the harbour road' });
  const theirs = await (await contextFor(admin)).newPage();
  await theirs.goto('/admin/fleet');
  const light = theirs.getByRole('switch', { name: 'echo is served' });
  await light.press('Space');
  await confirm(theirs, 'Switch off', 'echo is switched off.');
  await expect(light).not.toBeChecked();
  await flows.openPlayground(page, 'echo');
  await expect(page.getByText('Switched off').first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Run', exact: true })).toBeDisabled();
  await light.press('Space');
  await confirm(theirs, 'Switch on', 'echo is switched on.');
  await page.reload();
  await expect(page.getByRole('button', { name: 'Run', exact: true })).toBeEnabled();
});

test('filters take every key, and a late one calls no way off', async ({ contextFor, server, admin }) => {
  const person = await newPerson(server, 'sought');
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/audit');
  const user = page.getByRole('search').getByRole('textbox').first();
  // Longer than the pause after which the address has what was typed.
  await user.pressSequentially('user_abc', { delay: 600 });
  await expect(user).toHaveValue('user_abc');
  await expect(user).toBeFocused();
  await expect(page).toHaveURL(/[?&]user=user_abc/);
  // What is half typed is no identifier, and is not asked for.
  await expect(user).toHaveAccessibleDescription(/a whole identifier/);

  await page.goto(`/admin/users?q=${person.email}`);
  const row = page.getByRole('link', { name: person.email });
  await expect(row).toBeVisible();
  // The page of an account is on its way for longer than the pause.
  await page.route('**/assets/user-page-*', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await route.continue();
  });
  await page.getByLabel('Search').press('End');
  await page.getByLabel('Search').press('Backspace');
  await row.dispatchEvent('click');
  await expect(page.getByRole('heading', { name: person.email, level: 1 })).toBeVisible();
  await expect(page).toHaveURL(/\/admin\/users\/user_/);
});

test('the audit log is narrowed down to an account by its e-mail address', async ({
  contextFor,
  server,
  admin,
}) => {
  const person = await newPerson(server, 'looked-up');
  const page = await (await contextFor(admin)).newPage();
  await page.goto('/admin/audit');
  const user = page.getByRole('search').getByLabel('About account');
  await user.fill(newAddress('nobody'));
  await expect(user).toHaveAccessibleDescription('No account has this e-mail address.');
  await expect(page.getByText('No entries')).toBeVisible();
  await user.fill(person.email);
  const entries = page.locator('main ol > li');
  await expect(entries.filter({ hasText: 'Logged in' })).toHaveCount(1);
  await expect(entries.filter({ hasNotText: person.email })).toHaveCount(0);
  await expect(user).not.toHaveAccessibleDescription(/./);
});

test('who takes administration from themselves is out of it', async ({ contextFor, server, watch }) => {
  watch.expect(/status of 40[13]/);
  const person = await newPerson(server, 'resigning', { admin: true });
  const page = await (await contextFor(person)).newPage();
  await page.goto(`/admin/users/${await idOf(person, person)}`);
  await page.getByRole('main').getByLabel('Role').selectOption('user');
  await page.getByRole('dialog').getByRole('button').last().click();
  // Another role ends every login.
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(page.getByRole('link', { name: 'Admin', exact: true })).toHaveCount(0);
  await expect(page.getByRole('banner').getByRole('link', { name: 'Log in' })).toBeVisible();
});
