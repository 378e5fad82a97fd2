/** `lamplighter serve`: everything in one process, on SQLite. */
import { Installation } from './installation';
import type { Settings } from './program';

export function startServer(settings?: Settings): Promise<Installation> {
  return Installation.start('serve', settings);
}
