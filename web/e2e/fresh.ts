/** Before a run: pictures of an earlier one are gone, so that each that is there is of this one. */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export default function fresh() {
  rmSync(fileURLToPath(new URL('artifacts/pages/', import.meta.url)), { recursive: true, force: true });
}
