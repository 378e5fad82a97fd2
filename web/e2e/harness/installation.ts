/** An installation in a temporary folder: what a test needs of it, whatever it is made of. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Mailbox } from './mailbox';
import { freePort, Process } from './process';
import { command, isReady, READY_LIMIT_MS, type Settings, start } from './program';

// For a program that does not have the site in it: a script in front brings it (1: `scripts/serve.mjs`).
const frontScript =
  process.env.E2E_FRONT === '1'
    ? fileURLToPath(new URL('../../scripts/serve.mjs', import.meta.url))
    : process.env.E2E_FRONT;

export interface Account {
  admin?: boolean;
  password?: string;
}

export class Installation {
  readonly mailbox: Mailbox;
  private readonly settings: Settings;
  private readonly others: { stop: () => Promise<void> }[] = [];
  private serving: Process | undefined;
  private address = '127.0.0.1:0';
  private front: number | undefined;

  private constructor(
    private readonly role: 'serve' | 'api',
    readonly dataDir: string,
    settings: Settings,
  ) {
    this.settings = { ...settings };
    this.mailbox = new Mailbox(join(dataDir, 'mail'));
  }

  /** Starts what answers to browsers, on a free port. */
  static async start(role: 'serve' | 'api', settings: Settings = {}): Promise<Installation> {
    const installation = new Installation(role, await mkdtemp(join(tmpdir(), 'lamplighter-e2e-')), settings);
    try {
      if (frontScript) installation.goBehind(await freePort());
      await installation.serveAgain();
      if (frontScript && installation.front) await installation.startFront(frontScript, installation.front);
    } catch (error) {
      await installation.end();
      throw error;
    }
    return installation;
  }

  /** Where people go. */
  get url(): string {
    return `http://${this.front ? `127.0.0.1:${this.front}` : this.address}`;
  }

  /** Ends together with this, the last one first. */
  endsWith(...others: { stop: () => Promise<void> }[]) {
    this.others.push(...others);
  }

  async stopServing() {
    await this.serving?.stop();
  }

  /** At the same address as before, with the same data. */
  async serveAgain() {
    const { dataDir } = this;
    const written = join(dataDir, 'server.addr');
    await rm(written, { force: true });
    const serving = start([this.role, '--data-dir', dataDir, '--bind', this.address], this.settings);
    this.serving = serving;
    const listens = async () => (await readFile(written, 'utf8').catch(() => '')).trim() || undefined;
    this.address = await serving.until(listens, READY_LIMIT_MS);
    await serving.until(() => isReady(`http://${this.address}`), READY_LIMIT_MS);
  }

  async end() {
    await this.stopServing();
    for (const other of this.others.toReversed()) await other.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** Makes an account on the server's machine. Without a password the answer is a link that sets one. */
  async createUser(email: string, { admin = false, password }: Account = {}): Promise<string | undefined> {
    const args = ['user', 'create', email, '--data-dir', this.dataDir];
    if (admin) args.push('--admin');
    if (password !== undefined) args.push('--password-stdin');
    const said = await command(args, this.settings, `${password ?? ''}\n`);
    return /https?:\/\/\S+/.exec(said)?.[0];
  }

  private goBehind(port: number) {
    this.front = port;
    this.settings.LAMPLIGHTER_PUBLIC_URL = this.url;
  }

  private async startFront(script: string, port: number) {
    const env = { ...process.env, PORT: String(port), LAMPLIGHTER_SERVER: `http://${this.address}` };
    const front = new Process(process.execPath, [script], { env });
    this.endsWith(front);
    await front.until(() => isReady(this.url), READY_LIMIT_MS);
  }
}
