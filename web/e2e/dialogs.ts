/** What holds of everything that opens over a page: it is for everybody, holds the focus, and gives it back. */
import { expect, type Locator, type Page } from '@playwright/test';
import { expectAccessible } from './accessible';

/** More than any dialog has to stop at. */
const STOPS = 12;

interface Opened {
  /** Of its pictures. */
  name: string;
  /** What is opened. */
  dialog: Locator;
  /** What has the focus afterwards. */
  opener: Locator;
}

/** An open dialog, drawer or menu from here to its end by Escape. */
export async function expectGoodDialog(page: Page, { name, dialog, opener }: Opened) {
  await expectHeld(page, { name, dialog });
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(opener).toBeFocused();
}

/** The focus is in it and stays there, in both directions. */
export async function expectHeld(page: Page, { name, dialog }: Omit<Opened, 'opener'>) {
  await expect(dialog).toBeVisible();
  await expectFocusWithin(dialog);
  await expectAccessible(page, name, { whole: false });
  for (const key of ['Tab', 'Shift+Tab']) {
    for (let stop = 0; stop < STOPS; stop++) {
      await page.keyboard.press(key);
      await expectFocusWithin(dialog);
    }
  }
}

async function expectFocusWithin(dialog: Locator) {
  await expect
    .poll(() => dialog.evaluate((element) => element.contains(document.activeElement)), 'the focus is within')
    .toBe(true);
}
