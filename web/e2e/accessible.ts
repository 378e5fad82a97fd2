/** What a page must be for everybody: no violation that axe knows of, and nothing beside the edge of a phone. */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

const artifacts = fileURLToPath(new URL('artifacts/pages/', import.meta.url));
const schemes = ['light', 'dark'] as const;

export const PHONE = { width: 360, height: 780 };
export const DESK = { width: 1280, height: 900 };

/** Also leaves a picture in light and in dark: of the whole page, or of the window where something is open over it. */
export async function expectAccessible(page: Page, name: string, { whole = true } = {}) {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', colorScheme);
    await keepPicture(page, `${name}.${colorScheme}`, { whole });
    await expectNoViolation(page, colorScheme);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Colours on their way to others are neither: what goes from one look to the next has to have come there. */
async function settled(page: Page) {
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
        .map((animation) => animation.finished),
    ),
  );
}

/** `except`: rules that are not ours to keep. */
export async function expectNoViolation(page: Page, where: string, except: readonly string[] = []) {
  await settled(page);
  const { violations } = await new AxeBuilder({ page }).disableRules([...except]).analyze();
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary = '' }) => {
      const why = failureSummary.split('\n').slice(1).join(' ').trim();
      return `${id} (${help}): ${target.join(' ')}: ${why}`;
    }),
  );
  expect.soft(found, `axe, ${where}`).toEqual([]);
}

export async function keepPicture(page: Page, name: string, { whole = true } = {}) {
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: `${artifacts}${name}.png`, fullPage: whole, animations: 'disabled' });
}

/** Nothing makes the page wider than the window; what has a scroll bar of its own may be. */
export async function expectFits(page: Page) {
  const over = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const beyond = [...document.querySelectorAll('body *')].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1,
    );
    // The innermost ones: what is around them is wide for their sake.
    const innermost = beyond.filter(
      (element) => !beyond.some((other) => other !== element && element.contains(other)),
    );
    const named = innermost.map((element) =>
      [element.tagName, element.getAttribute('class'), element.textContent.slice(0, 60)].join(' '),
    );
    return [`${scrollWidth - clientWidth} pixels`, ...named];
  });
  expect.soft(over, `beyond the edge at ${page.viewportSize()?.width} pixels`).toEqual([]);
}
