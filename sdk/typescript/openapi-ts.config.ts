// Settings of the generator; run by sdk/generate.sh, which gives the two paths.
import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  input: process.env.OPENAPI_INPUT ?? '../../openapi.json',
  output: {
    path: process.env.OPENAPI_OUTPUT ?? 'src/generated',
    // Node resolves imports with their extension only.
    module: { extension: '.js' },
  },
  plugins: ['@hey-api/client-fetch', '@hey-api/sdk', '@hey-api/typescript'],
});
