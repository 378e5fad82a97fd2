/** Processes of the tests: each ends with the tests, and what it said is kept for whoever asks why. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const SAID_AT_MOST = 20_000;
const STOP_LIMIT_MS = 45_000;

const running = new Set<Process>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Process {
  private readonly child: ChildProcess;
  private said = '';

  constructor(
    readonly command: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ) {
    this.child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    const hear = (text: string) => (this.said = (this.said + text).slice(-SAID_AT_MOST));
    this.child.stdout?.setEncoding('utf8').on('data', hear);
    this.child.stderr?.setEncoding('utf8').on('data', hear);
    this.child.once('error', (error) => hear(String(error)));
    this.child.once('close', () => running.delete(this));
    running.add(this);
  }

  get log(): string {
    return this.said;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined;
  }

  kill(signal: NodeJS.Signals) {
    this.child.kill(signal);
  }

  /** Ends it, by force where it does not listen. */
  async stop(signal: NodeJS.Signals = 'SIGTERM') {
    if (this.ended) return;
    const closed = once(this.child, 'close');
    this.kill(signal);
    const force = setTimeout(() => this.kill('SIGKILL'), STOP_LIMIT_MS);
    await closed;
    clearTimeout(force);
  }

  /** Returns once `ready` answers something; throws with the log where the process ends or takes too long. */
  async until<T>(ready: () => Promise<T | undefined> | T | undefined, limitMs: number): Promise<T> {
    const end = Date.now() + limitMs;
    for (;;) {
      const answer = await ready();
      if (answer !== undefined) return answer;
      if (this.ended) throw new Error(`${this.command} has ended:\n${this.said}`);
      if (Date.now() > end) throw new Error(`${this.command} is not ready in time:\n${this.said}`);
      await pause(50);
    }
  }
}

/** Runs a command to its end and returns what it printed. */
export async function run(
  command: string,
  args: readonly string[],
  { input = '', ...options }: SpawnOptions & { input?: string } = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${code}\n${out}${said}`);
  return out;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a socket without a port');
  return address.port;
}
