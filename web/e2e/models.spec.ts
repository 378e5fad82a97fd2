import { expectAccessible, keepPicture } from './accessible';
import * as flows from './flows';
import { installed, MODELS, settingsFor } from './models';
import { startServer } from './harness/server';
import { newPerson, type Person } from './people';
import { expect, test as base } from './test';
import type { Installation } from './harness/installation';
import type { Locator, Page } from '@playwright/test';

/** Files may have to come from afar first, and then be converted. */
const READY_MS = 600_000;
/** On a busy machine, by a program that was not built to be fast. */
const RUN_MS = 180_000;

// A server of its own, with the models whose views are looked at.
const test = base.extend<object, { server: Installation; somebody: Person }>({
  server: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, provide) => {
      const server = await startServer(settingsFor(await installed()));
      await provide(server);
      await server.end();
    },
    { scope: 'worker', timeout: READY_MS },
  ],
  somebody: [
    async ({ server }, provide) => {
      const somebody = await newPerson(server, 'onlooker');
      await provide(somebody);
      await somebody.api.dispose();
    },
    { scope: 'worker' },
  ],
});

interface View {
  task?: string;
  /** What is to be seen of the example of the task. */
  seen: (result: Locator, page: Page) => Promise<void>;
}

/** The polygons and points that are drawn on the picture. */
const drawn = (result: Locator) => result.locator('svg').filter({ has: result.page().locator('polygon') });

async function expectOutlines(result: Locator, count: number) {
  await expect(drawn(result).locator('polygon')).toHaveCount(count);
  // Each is on the picture, and not a point.
  const picture = await result.getByRole('img', { name: 'The chosen picture' }).boundingBox();
  for (const outline of await drawn(result).locator('polygon').all()) {
    const box = await outline.boundingBox();
    expect(box?.width).toBeGreaterThan(8);
    expect(box?.height).toBeGreaterThan(4);
    expect(box?.x).toBeGreaterThanOrEqual((picture?.x ?? 0) - 4);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(
      (picture?.x ?? 0) + (picture?.width ?? 0) + 4,
    );
  }
}

const views: Record<(typeof MODELS)[number], Record<string, View>> = {
  minilm: {
    embedding: {
      seen: async (result) => {
        const map = result.getByRole('region', { name: 'Similarity of the texts' });
        // Each text with itself, at the least.
        await expect(map.getByRole('cell', { name: '1', exact: true })).not.toHaveCount(0);
        await expect(result.getByText(/vectors of 384 numbers/)).toBeVisible();
      },
    },
    similarity: {
      task: 'similarity',
      seen: async (result) => {
        await expect(result.getByRole('region', { name: 'Similarity of the texts' })).toBeVisible();
      },
    },
    'zero-shot': {
      task: 'zero-shot-classification',
      seen: async (result) => {
        await expect(result.getByRole('list').first().getByRole('listitem')).not.toHaveCount(0);
        await expect(result.getByText(/^\d+(\.\d+)?%$/).first()).toBeVisible();
      },
    },
  },
  smollm2: {
    chat: {
      seen: async (result) => {
        await expect(result.locator('[aria-live=polite][aria-busy=false]')).toHaveText(/\w{3}/);
        await expect(result.getByRole('button', { name: 'Copy the text' })).toBeVisible();
      },
    },
    generation: {
      task: 'text-generation',
      seen: async (result) => {
        await expect(result.locator('[aria-live=polite][aria-busy=false]')).toHaveText(/\w{3}/);
      },
    },
  },
  'efficientnet-lite0': {
    labels: {
      seen: async (result) => {
        const labels = result.getByRole('list', { name: 'Labels' }).getByRole('listitem');
        await expect(labels).not.toHaveCount(0);
        await expect(labels.first()).toContainText(/espresso|cup|coffee/i);
      },
    },
  },
  mtcnn: {
    faces: {
      seen: async (result) => {
        await expectOutlines(result, 1);
        await expect(drawn(result).locator('circle')).toHaveCount(5);
        await expect(result.getByText('Face 1')).toBeVisible();
      },
    },
  },
  'silero-vad': {
    voice: {
      seen: async (result) => {
        const parts = result.getByRole('list', { name: 'Parts of the recording' }).getByRole('listitem');
        await expect(parts).not.toHaveCount(0);
        await expect(parts.first()).toContainText('Voice');
      },
    },
  },
  'ocr-en': {
    lines: {
      seen: async (result) => {
        const lines = result.getByRole('listitem');
        await expect(lines).not.toHaveCount(0);
        await expectOutlines(result, await lines.count());
      },
    },
    mrz: {
      task: 'mrz',
      seen: async (result) => {
        await expect(result.getByText('All check digits are right')).toBeVisible();
        await expect(result.locator('pre')).toContainText(/<</);
        await expect(result.getByRole('row', { name: /^Surname/ })).toContainText(/[A-Z]{2}/);
      },
    },
  },
  'whisper-base': {
    transcript: {
      seen: async (result) => {
        const parts = result.getByRole('list', { name: 'Parts of the recording' }).getByRole('listitem');
        await expect(parts).not.toHaveCount(0);
        await expect(parts.first()).toContainText(/\w{3}/);
        await expect(result.getByText('Language spoken: English')).toBeVisible();
      },
    },
  },
};

for (const model of MODELS) {
  for (const [name, { task, seen }] of Object.entries(views[model])) {
    test(`${model}: ${name} @models`, async ({ contextFor, somebody }) => {
      test.skip(
        !(await installed()).includes(model),
        `the files of ${model} are not here: make e2e ARGS="--grep @models" fetches them`,
      );
      test.setTimeout(READY_MS + RUN_MS);
      const page = await (await contextFor(somebody)).newPage();
      await page.goto(`/playground?model=${model}${task ? `&task=${task}` : ''}`);
      const picker = page.getByRole('button', { name: `Model: ${model}.` });
      await expect(picker).toContainText('Online', { timeout: READY_MS });
      const run = page.getByRole('button', { name: 'Run', exact: true });
      await run.click();
      await expect(flows.runStatus(page)).toContainText('Succeeded', { timeout: RUN_MS });
      await seen(page.getByRole('tabpanel'), page);
      await expectAccessible(page, `result-${model}-${name}`);
      await page.setViewportSize({ width: 360, height: 780 });
      await keepPicture(page, `result-${model}-${name}.360`);
    });
  }
}
