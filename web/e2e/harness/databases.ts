/** A Postgres and a Redis of the tests' own: in temporary folders, on free ports. */
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort, Process, run } from './process';

const START_LIMIT_MS = 60_000;
const TRIES = 3;

export interface Database {
  url: string;
  stop: () => Promise<void>;
}

export function startPostgres(): Promise<Database> {
  return inFolder('lamplighter-e2e-pg-', async (folder) => {
    const programs = await postgresPrograms();
    const account = await postgresAccount();
    if (account) await chown(folder, account.uid, account.gid);
    const data = join(folder, 'data');
    const options = { ...account, cwd: '/', env: { PATH: process.env.PATH, LC_ALL: 'C' } };
    const shape = ['-U', 'lamplighter', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    await run(join(programs, 'initdb'), ['-D', data, ...shape], options);
    const port = await freePort();
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'];
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
    const server = new Process(join(programs, 'postgres'), args, options);
    // It writes `ready` as the eighth line of this file.
    const ready = async () => {
      const said = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
      return said.split('\n')[7]?.trim() === 'ready' ? true : undefined;
    };
    await server.until(ready, START_LIMIT_MS);
    return { url: `postgres://lamplighter@127.0.0.1:${port}/postgres`, stop: () => server.stop('SIGINT') };
  });
}

export function startRedis(): Promise<Database> {
  return inFolder('lamplighter-e2e-redis-', async (folder) => {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
    const server = new Process('redis-server', args, { cwd: folder });
    await server.until(() => takesConnections(port), START_LIMIT_MS);
    return { url: `redis://127.0.0.1:${port}`, stop: () => server.stop() };
  });
}

/** A free port may be taken by somebody else before it is used: then another folder and port are tried. */
async function inFolder(prefix: string, start: (folder: string) => Promise<Database>): Promise<Database> {
  for (let tries = 1; ; tries++) {
    const folder = await mkdtemp(join(tmpdir(), prefix));
    const remove = () => rm(folder, { recursive: true, force: true });
    try {
      const { url, stop } = await start(folder);
      return { url, stop: () => stop().then(remove) };
    } catch (error) {
      await remove();
      if (tries === TRIES) throw error;
    }
  }
}

/** The folder with `initdb` and `postgres`: the first of PATH, else the newest that is installed. */
async function postgresPrograms(): Promise<string> {
  const complete = (folder: string) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name)));
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const newest = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((name) => `/usr/lib/postgresql/${name}/bin`);
  const found = [...(process.env.PATH ?? '').split(delimiter), ...newest].find(complete);
  if (!found) throw new Error('Postgres is not installed: for example `apt-get install postgresql`');
  return found;
}

/** Postgres refuses to run as root; root starts it as somebody else. */
async function postgresAccount(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = await readFile('/etc/passwd', 'utf8');
  const [, uid, gid] =
    /^postgres:[^:]*:(\d+):(\d+):/m.exec(users) ?? /^nobody:[^:]*:(\d+):(\d+):/m.exec(users) ?? [];
  if (!uid || !gid) throw new Error('this machine has neither the user postgres nor nobody');
  return { uid: Number(uid), gid: Number(gid) };
}

function takesConnections(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.end(() => resolve(true)));
    socket.once('error', () => resolve(undefined));
  });
}
