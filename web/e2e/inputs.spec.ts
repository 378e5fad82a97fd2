import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import * as flows from './flows';
import { answered, newPerson, submit } from './people';
import { expect, test } from './test';
import { FACE } from './pictures';

const CHOOSE = 'Drop a picture, paste one, or press to choose';

interface Handed {
  name: string;
  type: string;
  base64: string;
}

async function picture(): Promise<Handed> {
  return { name: 'face.jpg', type: 'image/jpeg', base64: await readFile(FACE, 'base64') };
}

/** Hands files to the page as the system does. */
function hand(page: Page, event: 'drop' | 'paste', file: Handed, to = page.locator('body')) {
  return to.evaluate(
    (element, { event, name, type, base64 }) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name, { type }));
      const how = { bubbles: true, cancelable: true };
      element.dispatchEvent(
        event === 'drop'
          ? new DragEvent('drop', { ...how, dataTransfer: data })
          : new ClipboardEvent('paste', { ...how, clipboardData: data }),
      );
    },
    { event, ...file },
  );
}

async function openPictures(page: Page) {
  await flows.openPlayground(page, 'mtcnn');
  const chosen = page.getByRole('img', { name: 'The chosen picture' });
  // The example is there at once.
  await expect(chosen).toBeVisible();
  const remove = async () => {
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(chosen).toHaveCount(0);
  };
  return { chosen, remove };
}

test('a picture is chosen, dropped, pasted, or the example', async ({ page }) => {
  const { chosen, remove } = await openPictures(page);
  await remove();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Please fill this in.')).toBeVisible();

  const choosing = page.waitForEvent('filechooser');
  await page.getByLabel(CHOOSE).click();
  await (await choosing).setFiles(FACE);
  await expect(chosen).toBeVisible();
  await expect(page.getByText('Please fill this in.')).toHaveCount(0);
  await remove();
  await hand(page, 'drop', await picture(), page.getByLabel(CHOOSE));
  await expect(chosen).toBeVisible();
  await remove();
  await hand(page, 'paste', await picture());
  await expect(chosen).toBeVisible();
  await remove();
  await page.getByRole('button', { name: 'Example' }).click();
  await expect(chosen).toBeVisible();
});

test('what is no picture is said to be none', async ({ page }) => {
  const { remove } = await openPictures(page);
  await remove();
  const letter = { name: 'letter.txt', type: 'text/plain', base64: btoa('Dear Sir') };
  await hand(page, 'drop', letter, page.getByLabel(CHOOSE));
  await expect(page.getByText('That is no PNG, JPEG or WebP picture.')).toBeVisible();
});

test('a pasted GIF, and two files at once, are refused in words', async ({ page }) => {
  const { chosen, remove } = await openPictures(page);
  await remove();
  await hand(page, 'paste', { name: 'lamp.gif', type: 'image/gif', base64: btoa('GIF89a') });
  await expect(page.getByText('That is no PNG, JPEG or WebP picture.')).toBeVisible();
  await page.getByLabel(CHOOSE).evaluate((element) => {
    const data = new DataTransfer();
    for (const name of ['a.png', 'b.png']) data.items.add(new File(['x'], name, { type: 'image/png' }));
    element.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await expect(page.getByText('One file at a time, please.')).toBeVisible();
  await expect(chosen).toHaveCount(0);
});

test('a label that is being typed is sent along by Ctrl and Enter', async ({ page }) => {
  await page.goto('/playground?model=minilm&task=zero-shot-classification');
  await page.getByRole('textbox', { name: /labels/i }).fill('lighthouse');
  const asked = page.waitForRequest(
    (request) => request.method() === 'POST' && request.url().endsWith('/v1/jobs'),
  );
  await page.keyboard.press('Control+Enter');
  const { input } = (await asked).postDataJSON() as { input: object };
  expect(JSON.stringify(input)).toContain('lighthouse');
  await expect(flows.runStatus(page)).toContainText('Succeeded');
});

test('a fault below an option opens the options, and is said once', async ({ page, watch }) => {
  watch.expect(/v1\/jobs: .*status of 422/);
  await flows.openPlayground(page, 'minilm');
  await page.route('**/v1/jobs', (route) =>
    route.fulfill({
      status: 422,
      contentType: 'application/problem+json',
      json: {
        code: 'validation_failed',
        title: 'Not valid',
        detail: 'The input is not as it has to be.',
        errors: [{ pointer: '/input/prefix/inner', code: 'type', detail: 'This is of the wrong kind.' }],
      },
    }),
  );
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByRole('textbox', { name: 'Prefix' })).toHaveAccessibleDescription(
    /of the wrong kind/,
  );
  await expect(page.getByText('That did not work')).toHaveCount(0);
});

test('what was found is drawn on the picture that was chosen', async ({ contextFor, server }) => {
  const page = await (await contextFor(await newPerson(server, 'painter'))).newPage();
  const { remove } = await openPictures(page);
  await remove();
  const choosing = page.waitForEvent('filechooser');
  await page.getByLabel(CHOOSE).click();
  await (await choosing).setFiles(FACE);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await expect(page.getByText('1 face', { exact: true })).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: 'Face 1' })).toBeVisible();
  await expect(page.locator('svg polygon')).toHaveCount(1);
  // Eyes, nose, and the corners of the mouth.
  await expect(page.locator('svg:has(polygon) circle')).toHaveCount(5);
});

test('texts are added, taken away, and pasted line by line', async ({ page }) => {
  await flows.openPlayground(page, 'minilm');
  const group = page.getByRole('group', { name: 'Texts' });
  const texts = group.getByRole('textbox');
  const before = await texts.count();
  await page.getByRole('button', { name: 'Add a text' }).click();
  await expect(texts).toHaveCount(before + 1);
  await expect(texts.last()).toBeFocused();
  await page.keyboard.type('a lamp');
  await page.keyboard.press('Enter');
  await expect(texts).toHaveCount(before + 2);
  await expect(texts.last()).toBeFocused();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text/plain', 'a lantern\n\na lighthouse\n');
    document.activeElement?.dispatchEvent(
      new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }),
    );
  });
  await expect(texts).toHaveCount(before + 3);
  await expect(texts.last()).toHaveValue('a lighthouse');
  await group.getByRole('button', { name: `Remove number ${before + 2} of Texts` }).click();
  await expect(texts).toHaveCount(before + 2);
  await expect(texts.nth(before)).toHaveValue('a lamp');
  await expect(texts.last()).toHaveValue('a lighthouse');
  await page.getByRole('button', { name: 'Example' }).click();
  await expect(texts).toHaveCount(before);
});

test('an option is set and shared together with the texts', async ({ page, context, contextFor }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await flows.openPlayground(page, 'minilm');
  await page.getByRole('textbox', { name: 'Texts, number 1' }).fill('a lamp, shared');
  await page.getByRole('button', { name: /^Options/ }).click();
  await page.getByRole('textbox', { name: 'Prefix' }).fill('query: ');
  await expect(page.getByRole('button', { name: 'Options (1 set)' })).toBeVisible();
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await (await contextFor()).newPage();
  await other.goto(link);
  await expect(other.getByRole('textbox', { name: 'Texts, number 1' })).toHaveValue('a lamp, shared');
  await other.getByRole('button', { name: 'Options (1 set)' }).click();
  await expect(other.getByRole('textbox', { name: 'Prefix' })).toHaveValue('query: ');
  // The address does not keep what somebody else wrote.
  await expect(other).toHaveURL(/\/playground\?model=minilm&task=text-embedding$/);
});

test('a link says that a picture is no part of it, and broken JSON is not shared', async ({
  page,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const { chosen } = await openPictures(page);
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('Pictures and recordings are not part of the link.')).toBeVisible();
  await expect(chosen).toBeVisible();
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"half": ');
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('That is not valid JSON.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Link copied' })).toHaveCount(0);
});

test('the same as code names the token of the person, and follows the form', async ({
  contextFor,
  server,
}) => {
  const person = await newPerson(server, 'coder');
  const { id, last4 } = await answered<{ id: string; last4: string }>(
    person.api.post('/v1/tokens', { data: { name: 'laptop', scopes: ['jobs:write'] } }),
  );
  await answered(person.api.post('/v1/tokens', { data: { name: 'build server', scopes: ['jobs:write'] } }));
  const page = await (await contextFor(person)).newPage();
  await flows.openPlayground(page, 'echo');
  await page.getByLabel('Input').fill('{"lamp": "in code"}');
  await page.getByRole('tab', { name: 'As code' }).click();
  const code = page.getByRole('tabpanel').locator('pre').last();
  await page.getByLabel('Token to name').selectOption(`laptop (…${last4}) · ${id}`);
  for (const [language, words] of [
    ['curl', 'curl -s'],
    ['Python', 'import'],
    ['TypeScript', 'await'],
    ['Rust', 'fn main'],
  ] as const) {
    await page.getByRole('tab', { name: language }).click();
    await expect(code).toContainText(words);
    await expect(code).toContainText('in code');
    await expect(code).toContainText(`LAMPLIGHTER_TOKEN: ${id} laptop (…${last4})`);
    await expect(code).toContainText(server.url);
  }
});

test('what is written after a link was shared is what a load of the page brings back', async ({ page }) => {
  await flows.openPlayground(page, 'echo');
  const input = page.getByLabel('Input');
  await input.fill('{"lamp": "as shared"}');
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page).toHaveURL(/#input=/);
  await input.fill('{"lamp": "as it is now"}');
  await expect(page).not.toHaveURL(/#input=/);
  await page.reload();
  await expect(input).toHaveValue('{"lamp": "as it is now"}');
});

test('the result is copied and saved as JSON', async ({ contextFor, server }) => {
  const context = await contextFor(await newPerson(server, 'saver'));
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  await flows.runEcho(page, { lamp: 'kept' });
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(JSON.parse(copied)).toEqual({ lamp: 'kept' });
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download JSON' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toMatch(/\.json$/);
  expect(JSON.parse(await readFile(await download.path(), 'utf8'))).toEqual({ lamp: 'kept' });
});

test('copying works without https, and where it is refused the text is shown', async ({
  contextFor,
  server,
}) => {
  const page = await (await contextFor(await newPerson(server, 'plain'))).newPage();
  // As on a page that came by http from another machine.
  await page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await flows.runEcho(page, { lamp: 'by hand' });
  await expect(flows.runStatus(page)).toContainText('Succeeded');
  await page.getByRole('tab', { name: 'JSON' }).click();
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();

  await page.evaluate(() => Object.assign(document, { execCommand: () => false }));
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  const shown = page.getByLabel('The browser did not let it be copied.');
  await expect(shown).toHaveValue(/by hand/);
  await expect(shown).toBeFocused();
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('It is the address of this page now')).toBeVisible();
});

test('a job is run again with changes, and run again as it was', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'repeater');
  const { id } = await submit(
    person.api,
    'minilm',
    { texts: ['a lamp', 'a lantern'], prefix: 'query: ' },
    60,
  );
  const page = await (await contextFor(person)).newPage();
  await page.goto(`/jobs/${id}`);
  await page.getByRole('link', { name: 'Run again with changes' }).click();
  await expect(page).toHaveURL(/\/playground\?model=minilm&task=text-embedding$/);
  const texts = page.getByRole('group', { name: 'Texts' }).getByRole('textbox');
  await expect(texts).toHaveCount(2);
  await expect(texts.last()).toHaveValue('a lantern');
  await expect(page.getByRole('button', { name: 'Options (1 set)' })).toBeVisible();
  await texts.last().fill('a lighthouse');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(flows.runStatus(page)).toContainText('Succeeded');

  await page.goto(`/jobs/${id}`);
  await page.getByRole('button', { name: 'Run again', exact: true }).click();
  await expect(page.getByText('Started again as a new job.')).toBeVisible();
  await expect(page).not.toHaveURL(new RegExp(id));
  await expect(page.getByRole('status').filter({ hasText: 'Succeeded' })).toBeVisible();
  await expect(page.getByRole('main')).toContainText(id);
});

test('two clicks run a job again once', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'hasty');
  const { id } = await submit(person.api, 'echo', { lamp: 1 }, 30);
  const page = await (await contextFor(person)).newPage();
  await page.goto(`/jobs/${id}`);
  // Both before the page can draw itself anew, as a double click may be.
  await page.getByRole('button', { name: 'Run again', exact: true }).evaluate((button: HTMLElement) => {
    button.click();
    button.click();
  });
  await expect(page.getByText('Started again as a new job.').first()).toBeVisible();
  await expect(page).not.toHaveURL(new RegExp(id));
  await expect(page.getByRole('status').filter({ hasText: 'Succeeded' })).toBeVisible();
  const { data } = await answered<{ data: unknown[] }>(person.api.get('/v1/jobs'));
  expect(data).toHaveLength(2);
});

test('a job is run again with changes, its picture along', async ({ contextFor, server }) => {
  const person = await newPerson(server, 'framer');
  const image = `data:image/jpeg;base64,${(await picture()).base64}`;
  const { id } = await submit(person.api, 'mtcnn', { image, min_size: 24 }, 60);
  const page = await (await contextFor(person)).newPage();
  await page.goto(`/jobs/${id}`);
  await page.getByRole('link', { name: 'Run again with changes' }).click();
  await expect(page).toHaveURL(/\/playground\?model=mtcnn&task=face-detection$/);
  await expect(page.getByRole('img', { name: 'The chosen picture' })).toHaveAttribute('src', image);
  await expect(page.getByRole('button', { name: 'Options (1 set)' })).toBeVisible();
});
