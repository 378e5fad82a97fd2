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
