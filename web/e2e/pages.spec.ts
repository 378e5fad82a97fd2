import type { Page } from '@playwright/test';
import { paths } from '../src/config/paths';
import { languages } from '../src/lib/languages';
import { DESK, expectAccessible, expectFits, expectNoViolation, keepPicture, PHONE } from './accessible';
import { pages, serverPages } from './pages';
import type { Person } from './people';
import { expect, test } from './test';
import { foreign, textKeys } from './words';

const cases = [
  ...Object.entries(pages).map(([name, page]) => ({
    name,
    path: paths[name as keyof typeof paths],
    ...page,
  })),
  { name: 'notFound', path: '/nowhere', by: 'guest', id: undefined } as const,
];

/** The page is there with what it loads. */
async function open(page: Page, path: string) {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.locator('.mantine-Skeleton-root')).toHaveCount(0);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}

/** Texts of the page, seen and unseen ones; code, and what is marked as a name, is not ours to translate. */
function textsOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const texts = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.parentElement?.closest('script, style, pre, code, [translate=no]'))
        texts.push(node.textContent ?? '');
    }
    for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'aria-description']) {
      for (const element of document.querySelectorAll(`[${name}]`)) {
        texts.push(element.getAttribute(name) ?? '');
      }
    }
    return texts.map((text) => text.trim()).filter((text) => text !== '');
  });
}

/** As the switch of the app keeps it. */
const choose = (scheme: string) => localStorage.setItem('mantine-color-scheme-value', scheme);

const known = new Set(textKeys);

for (const { name, path, by, id } of cases) {
  test.describe(name, () => {
    const addressFor = async (person: Person | undefined, server: Parameters<NonNullable<typeof id>>[1]) =>
      person && id ? path.replace('$id', await id(person, server)) : path;

    test('is there in every language, at every width', async ({ contextFor, member, admin, server }) => {
      const person = { guest: undefined, member, admin }[by];
      const address = await addressFor(person, server);
      let english: string[] = [];
      for (const { code } of languages) {
        const context = await contextFor(person, { locale: code });
        const page = await context.newPage();
        await open(page, address);
        await expect(page.locator('html')).toHaveAttribute('lang', code);
        const texts = await textsOf(page);
        const raw = texts.filter((text) => known.has(text) || text.includes('{{'));
        expect.soft(raw, `keys instead of texts, ${code}`).toEqual([]);
        if (code === 'en') english = texts;
        else expect.soft(foreign(texts, english), `English texts, ${code}`).toEqual([]);
        await expectFits(page);
        await keepPicture(page, `${name}.${code}`);
        await page.setViewportSize(PHONE);
        await expectFits(page);
        await keepPicture(page, `${name}.${code}.360`);
        await context.close();
      }
    });

    test('is for everybody, in light and dark', async ({ contextFor, member, admin, server }) => {
      const person = { guest: undefined, member, admin }[by];
      const page = await (await contextFor(person, { viewport: DESK })).newPage();
      await open(page, await addressFor(person, server));
      await expectAccessible(page, name);
      await page.setViewportSize(PHONE);
      await expectNoViolation(page, '360 px');
    });
  });
}

for (const [name, { path, there, except }] of Object.entries(serverPages)) {
  test.describe(`${name}, of the server`, () => {
    test('is there in every language, at every width, with nothing from elsewhere', async ({
      contextFor,
      server,
    }) => {
      const titles = new Set<string>();
      for (const { code } of languages) {
        const page = await (await contextFor(undefined, { locale: code })).newPage();
        const hosts = new Set<string>();
        page.on('request', (request) => hosts.add(new URL(request.url()).host));
        const answer = await page.goto(path);
        await expect(page.locator(there).first()).toBeVisible();
        expect(answer?.headers()).toMatchObject({ 'content-language': code });
        expect(answer?.headers().vary).toContain('Accept-Language');
        await expect(page.locator('html')).toHaveAttribute('lang', code);
        titles.add(await page.title());
        await expectFits(page);
        await keepPicture(page, `${name}.${code}`, { whole: false });
        await page.setViewportSize(PHONE);
        await expectFits(page);
        await keepPicture(page, `${name}.${code}.360`, { whole: false });
        expect([...hosts]).toEqual([new URL(server.url).host]);
      }
      expect(titles.size).toBe(languages.length);
    });

    test('is for everybody, in light and dark', async ({ contextFor }) => {
      const page = await (await contextFor()).newPage();
      await page.goto(path);
      await expect(page.locator(there).first()).toBeVisible();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await keepPicture(page, `${name}.${colorScheme}`, { whole: false });
        await expectNoViolation(page, colorScheme, except);
      }
      await page.setViewportSize(PHONE);
      await expectNoViolation(page, '360 px', except);
    });

    test('looks as the system does, or as was chosen in the app', async ({ contextFor }) => {
      const [light, dark] = ['rgb(253, 252, 250)', 'rgb(28, 26, 23)'];
      const page = await (await contextFor()).newPage();
      for (const [chosen, underLight, underDark] of [
        [undefined, light, dark],
        ['auto', light, dark],
        ['light', light, light],
        ['dark', dark, dark],
      ] as const) {
        if (chosen) await page.evaluate(choose, chosen);
        await page.goto(path);
        for (const [colorScheme, colour] of [
          ['light', underLight],
          ['dark', underDark],
        ] as const) {
          await page.emulateMedia({ colorScheme });
          await expect(page.locator('body')).toHaveCSS('background-color', colour);
        }
      }
    });
  });
}
