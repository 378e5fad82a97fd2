/** The tests in a real browser, against the real program: `npm run e2e`. */
import { defineConfig } from '@playwright/test';

// Models that are asked for by name are fetched; else those are looked at whose files are here. Workers inherit it.
if (process.argv.some((argument) => argument.includes('@models'))) process.env.E2E_MODELS ??= 'fetch';

// A worker has a server and a browser of its own, and they share the cores with each other: more than two only wait.
export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/fresh.ts',
  outputDir: 'e2e/artifacts/results',
  workers: 2,
  // A machine of CI may stall for longer than any limit is wide; what passes only then is told as flaky.
  retries: process.env.CI ? 1 : 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [['list'], ['json', { outputFile: 'e2e/artifacts/report.json' }]],
  use: {
    browserName: 'chromium',
    locale: 'en',
    viewport: { width: 1280, height: 900 },
    actionTimeout: 30_000,
    navigationTimeout: 60_000,
    screenshot: 'only-on-failure',
    trace: process.env.CI ? 'retain-on-failure' : 'off',
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // Chromium's sandbox refuses root.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
  },
});
