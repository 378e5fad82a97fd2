/** A fleet: an API and a worker in processes of their own, on Postgres and Redis. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, startRedis } from './databases';
import { Installation } from './installation';
import { freePort, type Process } from './process';
import { command, isReady, READY_LIMIT_MS, type Settings, start } from './program';

export async function startFleet(): Promise<Installation> {
  const started: { stop: () => Promise<void> }[] = [];
  const keep = <T extends { stop: () => Promise<void> }>(one: T): T => {
    started.push(one);
    return one;
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'lamplighter-e2e-fleet-'));
    keep({ stop: () => rm(folder, { recursive: true, force: true }) });
    const postgres = keep(await startPostgres());
    const redis = keep(await startRedis());
    const settings = {
      LAMPLIGHTER_DATABASE_URL: postgres.url,
      LAMPLIGHTER_REDIS_URL: redis.url,
      LAMPLIGHTER_SECRET_KEY_FILE: join(folder, 'secret.key'),
    };
    await command(['secret', 'create', '--data-dir', folder], settings);
    await command(['migrate', '--data-dir', folder], settings);
    keep(await startWorker(folder, settings));
    const installation = await Installation.start('api', settings);
    installation.endsWith(...started);
    return installation;
  } catch (error) {
    for (const one of started.toReversed()) await one.stop();
    throw error;
  }
}

async function startWorker(dataDir: string, settings: Settings): Promise<Process> {
  const health = `127.0.0.1:${await freePort()}`;
  const worker = start(['worker', '--data-dir', dataDir, '--health-bind', health], settings);
  await worker.until(() => isReady(`http://${health}`), READY_LIMIT_MS);
  return worker;
}
