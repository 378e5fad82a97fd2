/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Where the API of `npm run dev` is.
const server = process.env.LAMPLIGHTER_SERVER ?? 'http://127.0.0.1:8080';

// What every page needs, in one file that changes with its packages only.
const BASE =
  /node_modules\/(react|react-dom|scheduler|i18next|react-i18next|@tanstack\/[\w-]+|@mantine\/(hooks|core\/esm\/core)|clsx|zod)\//;

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    outDir: 'dist/site',
    emptyOutDir: true,
    // `npm run size` reads from it what a page loads.
    manifest: true,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: 'base', test: BASE }],
        },
      },
    },
    // Nothing is put into the page or the styles as a data URL, so that the policy can stay strict.
    assetsInlineLimit: 0,
    // `npm run size` holds what matters; word lists of password strength are large, and come when they are needed.
    chunkSizeWarningLimit: 2000,
  },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/docs', '/openapi.json', '/healthz', '/readyz'].map((path) => [path, { target: server }]),
    ),
  },
  test: {
    environment: 'node',
    include: ['src/**/*.test.{ts,tsx}'],
  },
});
