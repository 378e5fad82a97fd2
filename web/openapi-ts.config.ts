// Settings of the generator; run by scripts/generate.mjs, which gives the output's path.
import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  input: '../openapi.json',
  output: { path: process.env.OPENAPI_OUTPUT ?? 'src/api/generated' },
  plugins: [
    { name: '@hey-api/client-fetch', throwOnError: true },
    { name: '@hey-api/sdk', responseStyle: 'data' },
    '@hey-api/typescript',
  ],
});
