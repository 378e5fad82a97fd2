/** An issuer of OpenID Connect on this machine: whoever comes is asked who they are, and for their consent. */
import { once } from 'node:events';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type Provider from 'oidc-provider';
import { freePort } from './process';

export interface Client {
  id: string;
  secret: string;
  redirectUri: string;
}

export interface Issuer {
  url: string;
  stop: () => Promise<void>;
}

/** The address that somebody types there is theirs, verified, and its name for them. */
export async function startIssuer(client: Client): Promise<Issuer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = await providerAt(url, client);
  const rest = provider.callback();
  const server = createServer((request, response) => {
    const asked = request.url?.startsWith('/interaction/');
    const answer = asked ? interact(provider, request, response) : rest(request, response);
    answer.catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { url, stop };
}

async function providerAt(url: string, { id, secret, redirectUri }: Client): Promise<Provider> {
  // It has much to say when it is loaded: only to who needs it.
  const { default: Provider } = await import('oidc-provider');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return new Provider(url, {
    clients: [{ client_id: id, client_secret: secret, redirect_uris: [redirectUri] }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, email) => ({
      accountId: email,
      claims: () => ({ sub: email, email, email_verified: true, name: 'Mio of elsewhere' }),
    }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    features: { devInteractions: { enabled: false } },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      Grant: 600,
      IdToken: 600,
      Interaction: 600,
      Session: 600,
    },
  });
}

const PAGE = `<!doctype html><html lang="en"><title>Harbour office</title>
<link rel="icon" href="data:,">
<h1>Harbour office</h1>
<form method="post">
  <label>Who are you? <input name="email"></label>
  <button name="answer" value="allow">Allow</button>
  <button name="answer" value="refuse">Refuse</button>
</form></html>`;

async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  const { params } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(PAGE);
    return;
  }
  const answer = new URLSearchParams(await text(request));
  if (answer.get('answer') !== 'allow') {
    await provider.interactionFinished(request, response, { error: 'access_denied' });
    return;
  }
  const accountId = answer.get('email') ?? '';
  const grant = new provider.Grant({ accountId, clientId: String(params.client_id) });
  grant.addOIDCScope(String(params.scope));
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { login: { accountId }, consent });
}
