/** `lamplighter serve`: everything in one process, on SQLite. */
import { Installation } from './installation';

export function startServer(): Promise<Installation> {
  return Installation.start('serve');
}
