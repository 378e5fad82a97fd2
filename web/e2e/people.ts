/** People of the tests: accounts made on the server's machine, logged in without a browser. */
import { randomUUID } from 'node:crypto';
import { type APIRequestContext, type Browser, type BrowserContext, request } from '@playwright/test';
import type { Installation } from './harness/installation';

export const PASSWORD = 'nine lamps light the harbour road';

export interface Person {
  email: string;
  /** What a browser keeps of the login. */
  state: Awaited<ReturnType<BrowserContext['storageState']>>;
  /** The API, as they see it. */
  api: APIRequestContext;
}

/** An address that nobody had before, in no test. */
export function newAddress(name: string): string {
  return `${name}.${randomUUID().slice(0, 8)}@example.org`;
}

export async function newPerson(server: Installation, name: string, { admin = false } = {}): Promise<Person> {
  const email = newAddress(name);
  await server.createUser(email, { admin, password: PASSWORD });
  const api = await request.newContext({ baseURL: server.url });
  await answered(api.post('/v1/session', { data: { email, password: PASSWORD } }));
  return { email, api, state: await api.storageState() };
}

/** The body of an answer that has to be a good one. */
export async function answered<T = unknown>(answer: ReturnType<APIRequestContext['post']>): Promise<T> {
  const response = await answer;
  if (!response.ok()) throw new Error(`${response.url()}: ${response.status()} ${await response.text()}`);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export interface Job {
  id: string;
  status: string;
}

export function submit(api: APIRequestContext, model: string, input: object, wait = 0): Promise<Job> {
  const headers = wait > 0 ? { Prefer: `wait=${wait}` } : undefined;
  return answered<Job>(api.post('/v1/jobs', { data: { model, input }, headers, timeout: 90_000 }));
}

export type Look = NonNullable<Parameters<Browser['newContext']>[0]>;
