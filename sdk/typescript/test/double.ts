/** A server that answers from a script, for what a healthy real one can't be made to do. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The address of the double, what it was asked, and its end. */
export interface Double extends AsyncDisposable {
  url: string;
  requests: IncomingMessage[];
}

/** Answers request n with `answers[n]`, and the last of them from then on. */
export async function double(...answers: ((response: ServerResponse) => void)[]): Promise<Double> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(requests.push(request), answers.length) - 1];
    answer?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A stream that ends as `text` ends; `cut` breaks the connection in the middle of it. */
export function events(text: string, cut = false) {
  return (response: ServerResponse) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    if (cut) response.write(text, () => response.destroy());
    else response.end(text);
  };
}

/** A problem+json answer. */
export function problem(status: number, code: string, headers: Record<string, string> = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers });
    response.end(JSON.stringify({ status, code, title: code, detail: `about ${code}` }));
  };
}
