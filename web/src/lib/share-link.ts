/** Inputs in the fragment of an address, which never reaches a server. Long ones are compressed; media are left out. */
import * as z from 'zod/mini';

const KEY = 'input';
/** From here on compression pays. */
const LONG = 200;
/** What a link may unpack to: what a job may be without media. */
const MOST = 256 * 1024;

const input = z.record(z.string(), z.unknown());

export async function toFragment(value: Record<string, unknown>): Promise<string> {
  const bytes = encode(value);
  return bytes.length < LONG ? fragmentOf('p', bytes) : fragmentOf('z', await compress(bytes));
}

/** Whether something is left out of a link. */
export function hasMedia(value: Record<string, unknown>): boolean {
  return Object.values(value).some(isMedia);
}

/** Undefined where the fragment has no input, or a broken one. */
export async function fromFragment(fragment: string): Promise<Record<string, unknown> | undefined> {
  const code = new URLSearchParams(fragment.replace(/^#/, '')).get(KEY);
  if (!code) return undefined;
  try {
    const bytes = fromBase64Url(code.slice(1));
    const content = code.startsWith('z') ? await decompress(bytes) : bytes;
    const result = input.safeParse(JSON.parse(new TextDecoder().decode(content)));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

function encode(value: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const kept = Object.fromEntries(Object.entries(value).filter(([, item]) => !isMedia(item)));
  return new TextEncoder().encode(JSON.stringify(kept));
}

function isMedia(item: unknown): boolean {
  return typeof item === 'string' && item.startsWith('data:');
}

function fragmentOf(mark: string, content: Uint8Array): string {
  return `${KEY}=${mark}${toBase64Url(content)}`;
}

async function compress(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return collect(new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw')), Infinity);
}

async function decompress(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return collect(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')), MOST);
}

async function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>, most: number) {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > most) throw new RangeError('the link holds too much');
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function toBase64Url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
