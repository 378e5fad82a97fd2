// Serves dist/site/ as the server does, policy included, and hands the rest to a running server (LAMPLIGHTER_SERVER):
// to look at a build without building the binary.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist/site', import.meta.url));
const server = new URL(process.env.LAMPLIGHTER_SERVER ?? 'http://127.0.0.1:8080');
const port = Number(process.env.PORT ?? 4173);
const FORWARDED = /^\/(v1|docs|openapi\.json|healthz|readyz|metrics)(\/|$)/;
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

function policy(nonce) {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' blob: data:",
    "media-src 'self' blob: data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function forward(req, res) {
  const options = {
    host: server.hostname,
    port: server.port,
    path: req.url,
    method: req.method,
    headers: req.headers,
  };
  const onward = request(options, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
    answer.on('error', () => res.destroy());
  });
  onward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
  res.on('close', () => onward.destroy());
  req.pipe(onward);
}

async function page(path, res) {
  const nonce = randomBytes(16).toString('base64');
  const file = await readFile(join(dist, normalize(path))).catch(() => undefined);
  const body = file ?? (await readFile(join(dist, 'index.html'), 'utf8')).replaceAll('__CSP_NONCE__', nonce);
  const type = file ? TYPES[extname(path)] : TYPES['.html'];
  res.writeHead(200, {
    'Content-Type': type ?? 'application/octet-stream',
    'Content-Security-Policy': policy(nonce),
  });
  res.end(body);
}

createServer((req, res) => {
  const { pathname } = new URL(req.url, 'http://localhost');
  if (FORWARDED.test(pathname)) forward(req, res);
  else page(pathname === '/index.html' ? '/' : pathname, res).catch(() => res.writeHead(500).end());
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}, API at ${server}`));
