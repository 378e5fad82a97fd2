/** Inputs in the fragment of an address, which never reaches a server. Long ones are compressed; media are left out. */
import * as z from 'zod/mini';

const KEY = 'input';
/** From here on compression pays. */
const LONG = 200;
/** What a link may unpack to: what a job may be without media. */
const MOST = 256 * 1024;

const input = z.record(z.string(), z.unknown());

export async function toFragment(value: Record<string, unknown>): Promise<string> {
  const text = JSON.stringify(withoutMedia(value));
  const bytes = new TextEncoder().encode(text);
  const [mark, content] = bytes.length < LONG ? ['p', bytes] : ['z', await compress(bytes)];
  return `${KEY}=${mark}${toBase64Url(content)}`;
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

function withoutMedia(value: Record<string, unknown>): Record<string, unknown> {
  const isMedia = (item: unknown) => typeof item === 'string' && item.startsWith('data:');
  return Object.fromEntries(Object.entries(value).filter(([, item]) => !isMedia(item)));
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
