import { languages } from '../src/lib/languages';
import { expect, test } from './test';

for (const { code } of languages) {
  test(`the first page says what this is on one screen, ${code}`, async ({ contextFor }) => {
    const look = { locale: code, viewport: { width: 1280, height: 720 } };
    const page = await (await contextFor(undefined, look)).newPage();
    await page.goto('/');
    await expect(page.locator('html')).toHaveAttribute('lang', code);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await page.evaluate(() => document.fonts.ready.then(() => undefined));
    expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThanOrEqual(720);
  });
}

test('a guest begins with the playground, or with an account where it has no model for guests', async ({
  page,
  contextFor,
  watch,
}) => {
  watch.expect(/v1\/models: .*status of 401/);
  const ways = /Open the playground|Make an account/;
  await page.goto('/');
  await expect(page.getByRole('main').getByRole('link', { name: ways })).toHaveText([
    'Open the playground',
    'Make an account',
  ]);

  const closed = await (await contextFor()).newPage();
  await closed.route('**/v1/models', (route) =>
    route.fulfill({
      status: 401,
      contentType: 'application/problem+json',
      body: JSON.stringify({ title: 'A valid token is needed', code: 'unauthorized' }),
    }),
  );
  await closed.goto('/');
  await expect(closed.getByRole('main').getByRole('link', { name: ways })).toHaveText([
    'Make an account',
    'Open the playground',
  ]);
});
