/** Reads a server-sent event stream (WHATWG) from pieces of its bytes. What the events mean stands in `events.ts`. */

/** One event as the stream carries it. `retryMs` may stand alone, without data. */
export interface RawEvent {
  name: string;
  data?: string;
  id?: string;
  retryMs?: number;
}

/** An event that is cut off by the end is dropped. */
export async function* parseEvents(parts: AsyncIterable<Uint8Array>): AsyncGenerator<RawEvent> {
  let event: RawEvent = { name: 'message' };
  let data: string[] = [];
  for await (const line of lines(parts)) {
    if (line !== '') {
      readField(line, event, data);
      continue;
    }
    if (data.length > 0) event.data = data.join('\n');
    if (event.data !== undefined || event.retryMs !== undefined) yield event;
    event = { name: 'message' };
    data = [];
  }
}

function readField(line: string, event: RawEvent, data: string[]) {
  const colon = line.indexOf(':');
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
  if (field === 'event') event.name = value;
  else if (field === 'data') data.push(value);
  else if (field === 'id' && !value.includes('\0')) event.id = value;
  else if (field === 'retry' && /^\d+$/.test(value)) event.retryMs = Number(value);
}

async function* lines(parts: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let afterCr = false;
  for await (const part of parts) {
    let text = decoder.decode(part, { stream: true });
    if (text === '') continue;
    if (afterCr && text.startsWith('\n')) text = text.slice(1);
    afterCr = text.endsWith('\r') || (afterCr && text === '');
    const whole = (rest + text).split(/\r\n|\r|\n/);
    rest = whole.pop() ?? '';
    yield* whole;
  }
}
