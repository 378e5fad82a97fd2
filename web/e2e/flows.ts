/** What people do, step by step; each step ends when the page shows that it worked. */
import { expect, type Locator, type Page } from '@playwright/test';
import { PASSWORD } from './people';

export async function register(page: Page, email: string) {
  await page.goto('/register');
  await fillRegistration(page, email);
}

/** On a page of registration that is open. */
export async function fillRegistration(page: Page, email: string) {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('What to call you').fill('Wei');
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await expect(page.getByRole('heading', { name: 'Verify your address' })).toBeVisible();
}

/** Opens the link of the mail. Nothing counts until the button is pressed. */
export async function verifyByLink(page: Page, link: string) {
  await page.goto(link);
  await expect(page).toHaveURL(/\/verify$/);
  const posted = page.waitForRequest((request) => request.url().endsWith('/v1/account/verify'));
  await page.getByRole('button', { name: 'Verify this address' }).click();
  expect((await posted).method()).toBe('POST');
  await expect(page.getByRole('heading', { name: 'Your address is verified' })).toBeVisible();
}

export async function logIn(page: Page, email: string, password = PASSWORD) {
  await page.goto('/login');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel(/^Password/).fill(password);
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await expect(page).toHaveURL(/\/playground/);
  await expect(page.getByRole('button', { name: /^Account of / })).toBeVisible();
}

/** Makes a token; its text, as it is shown once. `more` fills in what else is to be. */
export async function createToken(
  page: Page,
  name: string,
  more?: (dialog: Locator) => Promise<void>,
): Promise<string> {
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await more?.(dialog);
  await dialog.getByRole('button', { name: 'Create token' }).click();
  return takeSecret(dialog);
}

/** A new token in the place of one; `overlap` says what becomes of the old one. */
export async function rotateToken(page: Page, name: string, overlap = 'ends at once'): Promise<string> {
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: 'Rotate' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('The old token').selectOption(overlap);
  await dialog.getByRole('button', { name: 'Rotate token' }).click();
  return takeSecret(dialog);
}

export async function takeSecret(dialog: Locator): Promise<string> {
  const secret = dialog.getByText(/^lmp_/);
  const text = (await secret.textContent()) ?? '';
  expect(text).toMatch(/^lmp_v4\.local\..+_[0-9A-Za-z]{6}$/);
  await dialog.getByRole('button', { name: 'I have saved it' }).click();
  await expect(dialog).toBeHidden();
  return text;
}

export async function revokeToken(page: Page, name: string) {
  await page.goto('/tokens');
  await page.getByRole('button', { name: `Actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Revoke token' }).click();
  await expect(dialog).toBeHidden();
}

/** The playground with this model chosen. */
export async function openPlayground(page: Page, model: string) {
  await page.goto(`/playground?model=${model}`);
  await expect(page.getByRole('button', { name: `Model: ${model}.` })).toBeVisible();
}

export async function runEcho(page: Page, input: object) {
  await openPlayground(page, 'echo');
  await page.getByLabel('Input').fill(JSON.stringify(input));
  await page.getByRole('button', { name: 'Run', exact: true }).click();
}

/** Where the run stands, in its own words. */
export function runStatus(page: Page): Locator {
  return page.getByRole('status').filter({ hasText: /Queued|Running|Succeeded|Failed|Canceled|Expired/ });
}
