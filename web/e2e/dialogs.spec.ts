import type { Page } from '@playwright/test';
import { expectAccessible, PHONE } from './accessible';
import { expectGoodDialog, expectHeld } from './dialogs';
import * as flows from './flows';
import { answered, newPerson, type Person } from './people';
import { expect, test } from './test';

async function withTokens(person: Person, ...names: string[]) {
  for (const name of names) {
    await answered(person.api.post('/v1/tokens', { data: { name, scopes: ['jobs:read'] } }));
  }
}

/** Opens an entry of a token's menu. */
async function choose(page: Page, entry: string) {
  const opener = page.getByRole('button', { name: 'Actions for lantern' });
  await opener.click();
  await page.getByRole('menuitem', { name: entry }).click();
  return { opener, dialog: page.getByRole('dialog') };
}

test('tokens: the dialog of a new one, and its text that is shown once', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'maker');
  await withTokens(person, 'lantern');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/tokens');
  const opener = page.getByRole('button', { name: 'New token' });
  await opener.click();
  const dialog = page.getByRole('dialog', { name: 'New token' });
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await expectGoodDialog(page, { name: 'dialog-token-new', dialog, opener });

  await opener.click();
  await dialog.getByLabel('Name').fill('shown once');
  await dialog.getByRole('button', { name: 'Create token' }).click();
  const shown = page.getByRole('dialog', { name: 'Your new token' });
  await expectHeld(page, { name: 'dialog-token-shown-once', dialog: shown });
  // What is shown only once does not go by a slip.
  await page.keyboard.press('Escape');
  await expect(shown).toBeVisible();
  await shown.getByRole('button', { name: 'I have saved it' }).press('Enter');
  await expect(shown).toBeHidden();
  await expect(opener).toBeFocused();
});

test('tokens: menu, rotation, questions, and the drawer of usage', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'browser');
  await withTokens(person, 'lantern');
  const page = await (await contextFor(person)).newPage();
  await page.goto('/tokens');
  const opener = page.getByRole('button', { name: 'Actions for lantern' });
  await opener.press('Enter');
  const menu = page.getByRole('menu');
  await expect(menu).toBeVisible();
  await expectAccessible(page, 'menu-token', { whole: false });
  await page.keyboard.press('ArrowDown');
  await expect(menu.getByRole('menuitem', { name: 'Rotate' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(menu).toBeHidden();
  await expect(opener).toBeFocused();
  for (const entry of ['Rotate', 'Revoke', 'Delete', 'Usage and details']) {
    const name = `dialog-token-${entry.split(' ')[0]?.toLowerCase()}`;
    await expectGoodDialog(page, { name, ...(await choose(page, entry)) });
  }
});

test('administration: invitation, plan, orders and questions', async ({ contextFor, server, admin }) => {
  const { email } = await newPerson(server, 'asked-about');
  const page = await (await contextFor(admin)).newPage();
  const check = async (address: string, button: string | RegExp, name: string) => {
    await page.goto(address);
    const opener = page.getByRole('button', { name: button }).first();
    await opener.click();
    await expectGoodDialog(page, { name, dialog: page.getByRole('dialog'), opener });
  };
  await check('/admin/users?view=invitations', 'Invite somebody', 'dialog-invite');
  await check('/admin/plans', /^Edit the plan /, 'dialog-plan');
  await check('/admin/fleet', 'Drain', 'dialog-drain');
  const { data } = await answered<{ data: { id: string }[] }>(admin.api.get(`/v1/users?q=${email}`));
  await check(`/admin/users/${data[0]?.id}`, 'Disable account', 'dialog-disable');
});

test('the menu of the account', async ({ contextFor, member }) => {
  const page = await (await contextFor(member)).newPage();
  await page.goto('/jobs');
  const opener = page.getByRole('button', { name: /^Account of / });
  await opener.press('Enter');
  const menu = page.getByRole('menu');
  await expect(menu).toBeVisible();
  await expectAccessible(page, 'menu-account', { whole: false });
  await page.keyboard.press('ArrowDown');
  await expect(menu.getByRole('menuitem', { name: 'Log out' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(menu).toBeHidden();
  await expect(opener).toBeFocused();
});

test('the list of models', async ({ page }) => {
  await flows.openPlayground(page, 'minilm');
  const opener = page.getByRole('button', { name: 'Model: minilm.' });
  await opener.press('Enter');
  await expect(opener).toHaveAttribute('aria-expanded', 'true');
  const echo = page.getByRole('button', { name: /^echo/ });
  await expect(echo).toBeVisible();
  await expectAccessible(page, 'list-models', { whole: false });
  await echo.focus();
  await page.keyboard.press('Escape');
  await expect(echo).toBeHidden();
  await expect(opener).toBeFocused();
});

test('the navigation on a phone', async ({ contextFor, admin }) => {
  const page = await (await contextFor(admin, { viewport: PHONE, hasTouch: true })).newPage();
  await page.goto('/jobs');
  const opener = page.getByRole('button', { name: 'Menu', exact: true });
  const navigation = page.getByRole('navigation', { name: 'Main navigation' });
  await expect(navigation).toBeHidden();
  await opener.tap();
  await expect(opener).toHaveAttribute('aria-expanded', 'true');
  await expect(navigation.getByRole('link')).toHaveText([
    'Playground',
    'Jobs',
    'Usage',
    'Tokens',
    'Guide',
    'Admin',
  ]);
  await expectAccessible(page, 'menu-navigation.360', { whole: false });
  await navigation.getByRole('link', { name: 'Usage' }).focus();
  await page.keyboard.press('Escape');
  await expect(navigation).toBeHidden();
  await expect(opener).toBeFocused();
  await opener.tap();
  await navigation.getByRole('link', { name: 'Tokens' }).tap();
  await expect(page).toHaveURL(/\/tokens$/);
  await expect(navigation).toBeHidden();
});

test('deleting the account is asked about in a dialog', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'undecided'))).newPage();
  await page.goto('/account/security');
  const opener = page.getByRole('button', { name: 'Delete the account…' });
  await opener.click();
  await expectGoodDialog(page, { name: 'dialog-delete-account', dialog: page.getByRole('dialog'), opener });
});

test('what is shown once can not be closed while it is on its way', async ({ contextFor, server, admin }) => {
  const person = await newPerson(server, 'hasty');
  await withTokens(person, 'lantern');
  /** Answers to this are held back until one says so. */
  const hold = async (page: Page, address: string) => {
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route(address, async (route) => {
      if (route.request().method() === 'POST') await held;
      await route.continue();
    });
    return () => answer();
  };
  const expectOpen = async (page: Page, answer: () => void) => {
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeDisabled();
    await expect(dialog.getByRole('button', { name: 'Close' })).toHaveCount(0);
    await page.keyboard.press('Escape');
    await page.mouse.click(5, 5);
    await expect(dialog).toBeVisible();
    answer();
    await expect(dialog.locator('pre')).toBeVisible();
    await page.keyboard.press('Escape');
    await page.mouse.click(5, 5);
    await expect(dialog.locator('pre')).toBeVisible();
  };

  const page = await (await contextFor(person)).newPage();
  await page.goto('/tokens');
  const made = await hold(page, '**/v1/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('slow');
  await page.getByRole('dialog').getByRole('button', { name: 'Create token' }).click();
  await expectOpen(page, made);
  await page.getByRole('button', { name: 'I have saved it' }).click();

  const rotated = await hold(page, '**/v1/tokens/*/rotate');
  const { dialog } = await choose(page, 'Rotate');
  await dialog.getByRole('button', { name: 'Rotate token' }).click();
  await expectOpen(page, rotated);

  const theirs = await (await contextFor(admin)).newPage();
  await theirs.goto('/admin/users?view=invitations');
  const invited = await hold(theirs, '**/v1/invitations');
  await theirs.getByRole('button', { name: 'Invite somebody' }).click();
  await theirs.getByRole('dialog').getByRole('button', { name: 'Invite', exact: true }).click();
  await expectOpen(theirs, invited);
});
