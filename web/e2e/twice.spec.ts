import type { Locator, Page } from '@playwright/test';
import * as flows from './flows';
import { answered, newAddress, newPerson } from './people';
import { expect, test } from './test';

/** Both clicks before the page can draw itself anew, as on a slow machine. */
function clickTwice(button: Locator) {
  return button.evaluate((element: HTMLElement) => {
    element.click();
    element.click();
  });
}

/** How often this was posted from now on. */
function posts(page: Page, path: RegExp): () => number {
  let count = 0;
  page.on('request', (request) => {
    if (request.method() === 'POST' && path.test(new URL(request.url()).pathname)) count += 1;
  });
  return () => count;
}

test('two clicks make one token, and rotate it once', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'quick');
  const page = await (await contextFor(person)).newPage();
  const created = posts(page, /^\/v1\/tokens$/);
  const rotated = posts(page, /\/rotate$/);
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('laptop');
  await clickTwice(dialog.getByRole('button', { name: 'Create token' }));
  await flows.takeSecret(dialog);
  await page.getByRole('button', { name: 'Actions for laptop' }).click();
  await page.getByRole('menuitem', { name: 'Rotate' }).click();
  await clickTwice(dialog.getByRole('button', { name: 'Rotate token' }));
  await flows.takeSecret(dialog);
  expect([created(), rotated()]).toEqual([1, 1]);
  const { data } = await answered<{ data: { status: string }[] }>(person.api.get('/v1/tokens'));
  expect(data.filter(({ status }) => status === 'active')).toHaveLength(1);
});

test('two clicks register once, and verify once', async ({ page, server }) => {
  const email = newAddress('twice');
  const registered = posts(page, /\/register$/);
  const verified = posts(page, /\/verify$/);
  await page.goto('/register');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('What to call you').fill('Wei');
  await page.getByLabel(/^Password/).fill('nine blue herons over the canal');
  await clickTwice(page.getByRole('button', { name: 'Make the account' }));
  await expect(page.getByRole('heading', { name: 'Verify your address' })).toBeVisible();
  await page.goto((await server.mailbox.take(email)).link);
  await clickTwice(page.getByRole('button', { name: 'Verify this address' }));
  await expect(page.getByRole('heading', { name: 'Your address is verified' })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect([registered(), verified()]).toEqual([1, 1]);
});
