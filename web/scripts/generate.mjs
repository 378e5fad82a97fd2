// Makes src/api/generated from ../openapi.json; --check only compares it with what is there.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('..', import.meta.url));
const kept = join(web, 'src/api/generated');
const work = mkdtempSync(join(tmpdir(), 'lamplighter-web-'));
const fresh = join(work, 'generated');

function files(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** The generated folder as one text, to compare. */
function contents(folder) {
  return files(folder)
    .map((file) => `${file}\n${readFileSync(join(folder, file), 'utf8')}`)
    .join('\n');
}

try {
  execFileSync(join(web, 'node_modules/.bin/openapi-ts'), {
    cwd: web,
    env: { ...process.env, OPENAPI_OUTPUT: fresh },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const file of files(fresh)) {
    // Its comments advertise packages by address; a name is enough.
    const text = readFileSync(join(fresh, file), 'utf8');
    writeFileSync(join(fresh, file), text.replaceAll(/\{@link https?:\/\/\S+ (`[^`]+`)\}/g, '$1'));
  }
  if (process.argv.includes('--check')) {
    if (contents(fresh) !== contents(kept)) {
      console.error('src/api/generated is stale; run `npm run generate` and commit');
      process.exitCode = 1;
    }
  } else {
    rmSync(kept, { recursive: true, force: true });
    cpSync(fresh, kept, { recursive: true });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
