import type { Page } from '@playwright/test';
import * as flows from './flows';
import { newPerson } from './people';
import { expect, test } from './test';

/** By the list in the header, whatever the language is now. */
async function speak(page: Page, name: string) {
  await page.getByRole('banner').getByRole('combobox').selectOption(name);
}

test('another language keeps the page and what was written, and stays', async ({ page }) => {
  await flows.openPlayground(page, 'echo');
  const input = page.getByRole('form').or(page.locator('form')).getByRole('textbox').first();
  await input.fill('{"kept": "lantern"}');
  await speak(page, '日本語');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ja');
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('Playground');
  await expect(page).toHaveURL(/\/playground\?model=echo$/);
  await expect(input).toHaveValue('{"kept": "lantern"}');
  await speak(page, '繁體中文');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hant');
  await expect(input).toHaveValue('{"kept": "lantern"}');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hant');
  await page.goto('/login');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hant');
  await speak(page, 'English');
  await expect(page.getByRole('main').getByRole('button', { name: 'Log in' })).toBeVisible();
});

test('what the server says follows the language of the page', async ({ page, server, watch }) => {
  watch.expect(/v1\/session: .*status of 401/);
  const { email } = await newPerson(server, 'polyglot');
  await page.goto('/login');
  await speak(page, '日本語');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ja');
  await page.getByRole('main').getByRole('textbox').first().fill(email);
  await page.locator('input[type=password]').fill('no password of anybody here');
  await page.locator('main form').getByRole('button').last().click();
  await expect(page.getByRole('alert')).toContainText(/[\p{sc=Hira}\p{sc=Kana}]/u);
});

test('on a phone the list of languages is there, too', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 780 });
  await page.goto('/');
  await page.getByLabel('Language').selectOption('日本語');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ja');
});

test('a language that does not come is told, and everything stays as it was', async ({ page, watch }) => {
  watch.expect(/ERR_FAILED/);
  await page.goto('/login');
  await expect(page.getByRole('main').getByRole('button', { name: 'Log in' })).toBeVisible();
  await page.route('**/assets/**', (route) => route.abort());
  await speak(page, '日本語');
  await expect(page.getByRole('alert')).toContainText("This language can't be loaded just now.");
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await expect(page.getByRole('link', { name: 'Playground' })).toBeVisible();
  expect(await page.evaluate(() => localStorage.getItem('lamplighter.language'))).not.toBe('ja');
  await page.unroute('**/assets/**');
  await speak(page, '日本語');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ja');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByText(/^(nav|login|field)\./)).toHaveCount(0);
});
