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
