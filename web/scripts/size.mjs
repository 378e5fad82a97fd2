// Adds up what the first load of /playground brings, compressed; fails above the budget.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const BUDGET_KB = 250;
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const manifest = JSON.parse(readFileSync(`${dist}manifest.json`, 'utf8'));
const wanted = [
  'index.html',
  'src/features/playground/pages/playground-page.tsx',
  'src/locales/en/common.json',
  'src/locales/en/playground.json',
];

const found = new Set();
function visit(key) {
  if (found.has(key)) return;
  if (!manifest[key]) throw new Error(`the build has no ${key}`);
  found.add(key);
  manifest[key].imports?.forEach(visit);
}
wanted.forEach(visit);

const sizes = [...found]
  .map((key) => manifest[key].file)
  .filter((file) => file.endsWith('.js'))
  .map((file) => ({ file, kb: gzipSync(readFileSync(`${dist}site/${file}`), { level: 9 }).length / 1000 }))
  .sort((a, b) => b.kb - a.kb);
const total = sizes.reduce((sum, { kb }) => sum + kb, 0);
for (const { file, kb } of sizes) console.log(`${kb.toFixed(1).padStart(7)} kB  ${file}`);
console.log(
  `${total.toFixed(1).padStart(7)} kB  first load of /playground, JavaScript, gzip (budget ${BUDGET_KB})`,
);
if (total > BUDGET_KB) process.exitCode = 1;
