/** The `test` of this suite: a server that tests share, and a page that is watched. */
import { test as base, type BrowserContext } from '@playwright/test';
import type { Installation } from './harness/installation';
import { startServer } from './harness/server';
import { answered, newPerson, type Person, submit } from './people';
import { Watch } from './watch';

interface Shared {
  server: Installation;
  /** Somebody with jobs and a token. */
  member: Person;
  admin: Person;
}

interface Own {
  watch: Watch;
  /** A browser of its own for this person, or for a guest; watched, too. */
  contextFor: (person?: Person, look?: object) => Promise<BrowserContext>;
}

export const test = base.extend<Own, Shared>({
  server: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, provide) => {
      const server = await startServer();
      await provide(server);
      await server.end();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  member: [
    async ({ server }, provide) => {
      const member = await newPerson(server, 'member');
      await furnish(member);
      await provide(member);
      await member.api.dispose();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  admin: [
    async ({ server }, provide) => {
      const admin = await newPerson(server, 'admin', { admin: true });
      await furnish(admin);
      await provide(admin);
      await admin.api.dispose();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
  baseURL: async ({ server }, provide) => provide(server.url),
  // eslint-disable-next-line no-empty-pattern
  watch: async ({}, provide) => {
    const watch = new Watch();
    await provide(watch);
    watch.check();
  },
  context: async ({ context, watch }, provide) => {
    await watch.over(context);
    await provide(context);
  },
  contextFor: async ({ browser, server, watch }, provide) => {
    const contexts: BrowserContext[] = [];
    await provide(async (person, look = {}) => {
      const context = await browser.newContext({
        baseURL: server.url,
        locale: 'en',
        viewport: { width: 1280, height: 900 },
        reducedMotion: 'reduce',
        storageState: person?.state,
        ...look,
      });
      contexts.push(context);
      await watch.over(context);
      return context;
    });
    for (const context of contexts) await context.close();
  },
});

export { expect } from '@playwright/test';

/** So that no page of theirs is empty. */
async function furnish({ api }: Person) {
  await submit(api, 'echo', { hello: 'world' }, 60);
  await submit(api, 'minilm', { texts: ['a lamp', 'a lantern'] }, 60);
  await submit(api, 'echo', { fail: 'as asked' }, 60);
  await answered(api.post('/v1/tokens', { data: { name: 'laptop', scopes: ['jobs:read', 'jobs:write'] } }));
}
