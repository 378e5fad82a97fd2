/** The real models whose results are looked at: those whose files are here, or all where they are asked for. */
import { tmpdir } from 'node:os';
import { command, type Settings } from './harness/program';

export const MODELS = [
  'minilm',
  'smollm2',
  'efficientnet-lite0',
  'mtcnn',
  'silero-vad',
  'ocr-en',
  'whisper-base',
] as const;

type Model = (typeof MODELS)[number];

// Said by the configuration, to which alone the command line is known. In CI nothing is left out.
const fetched = process.env.E2E_MODELS === 'fetch' || Boolean(process.env.CI);

let here: Promise<readonly Model[]> | undefined;

/** The tests of the models' own crate fetch them all, once; so where those have run they cost nothing here. */
export function installed(): Promise<readonly Model[]> {
  here ??= fetched ? Promise.resolve(MODELS) : look();
  return here;
}

async function look(): Promise<readonly Model[]> {
  const known = JSON.parse(await command(['models', 'list', '--data-dir', tmpdir()], {})) as {
    id: string;
    installed: boolean;
  }[];
  return MODELS.filter((model) => known.some(({ id, installed }) => id === model && installed));
}

/** One after the other is enough, and they take no more memory than that. */
export function settingsFor(models: readonly Model[]): Settings {
  const listed = JSON.stringify(models);
  return { LAMPLIGHTER_MODELS__ENABLED: listed, LAMPLIGHTER_MODELS__PUBLIC: listed };
}
