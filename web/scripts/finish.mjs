// After the build: what compresses well stands beside itself as .gz, as the server hands it out; the manifest, which
// only `npm run size` reads, leaves what is embedded.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const site = join(dist, 'site');
renameSync(join(site, '.vite/manifest.json'), join(dist, 'manifest.json'));
rmSync(join(site, '.vite'), { recursive: true });

const COMPRESSED = /\.(js|css|svg|json)$/;
for (const name of readdirSync(site, { recursive: true })) {
  if (!COMPRESSED.test(name)) continue;
  const file = join(site, name);
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
}
