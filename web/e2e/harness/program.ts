/** The program under test, and how it is to be started. */
import { fileURLToPath } from 'node:url';
import { Process, run } from './process';

const web = new URL('../../', import.meta.url);
const program = process.env.LAMPLIGHTER_PROGRAM ?? fileURLToPath(new URL('../target/debug/lamplighter', web));
const models = process.env.LAMPLIGHTER_MODELS_DIR ?? fileURLToPath(new URL('../data/models', web));

export const READY_LIMIT_MS = 120_000;

export type Settings = Record<string, string>;

/** Nothing that the machine has set for another server may count here. */
export function environment(settings: Settings): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LAMPLIGHTER_'));
  return {
    ...Object.fromEntries(inherited),
    LAMPLIGHTER_MODELS_DIR: models,
    LAMPLIGHTER_MODELS__ENABLED: '["minilm", "mtcnn", "echo"]',
    LAMPLIGHTER_MODELS__PUBLIC: '["minilm", "mtcnn", "echo"]',
    // What runs at a stop is handed back soon, so that a restart is quick.
    LAMPLIGHTER_SERVER__GRACE_SECONDS: '1',
    ...settings,
  };
}

export function start(args: readonly string[], settings: Settings): Process {
  return new Process(program, args, { env: environment(settings) });
}

/** One command of the program to its end; what it printed. */
export function command(args: readonly string[], settings: Settings, input = ''): Promise<string> {
  return run(program, args, { env: environment(settings), input });
}

export async function isReady(url: string): Promise<true | undefined> {
  const answer = await fetch(`${url}/readyz`).catch(() => undefined);
  return answer?.ok ? true : undefined;
}
