/** The mails that a server without a mail host writes to files. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const LIMIT_MS = 60_000;

export interface Mail {
  file: string;
  to: string;
  subject: string;
  /** The plain part. */
  text: string;
  /** Where its button leads. */
  link: string;
  /** Its six digits, where it has some. */
  code: string | undefined;
}

export class Mailbox {
  private readonly read = new Set<string>();

  constructor(private readonly folder: string) {}

  /** The next mail to this address that was not taken yet; waits for it. */
  async take(to: string): Promise<Mail> {
    const end = Date.now() + LIMIT_MS;
    while (Date.now() < end) {
      for (const file of await this.files()) {
        const mail = parse(file, await readFile(join(this.folder, file), 'utf8'));
        if (mail?.to !== to) continue;
        this.read.add(file);
        return mail;
      }
      await pause(100);
    }
    throw new Error(`no mail to ${to} in ${this.folder}`);
  }

  private async files(): Promise<string[]> {
    const files = await readdir(this.folder).catch(() => []);
    return files.filter((file) => file.endsWith('.eml') && !this.read.has(file)).sort();
  }
}

/** Undefined while the file is still being written. */
function parse(file: string, mail: string): Mail | undefined {
  const lines = mail.replaceAll('\r\n', '\n');
  const boundary = /boundary="([^"]+)"/.exec(lines)?.[1];
  if (!boundary || !lines.trimEnd().endsWith(`--${boundary}--`)) return undefined;
  const plain = lines.split(`--${boundary}`).find((part) => part.includes('Content-Type: text/plain')) ?? '';
  const text = plain.slice(plain.indexOf('\n\n') + 2);
  return {
    file,
    to: /^To: .*<([^>]+)>$/m.exec(lines)?.[1] ?? '',
    subject: /^Subject: (.*)$/m.exec(lines)?.[1] ?? '',
    text,
    link: /https?:\/\/\S+#token=\S+/.exec(text)?.[0] ?? '',
    code: /(?<!\d)\d{6}(?!\d)/.exec(text.replace(/https?:\/\/\S+/g, ''))?.[0],
  };
}
