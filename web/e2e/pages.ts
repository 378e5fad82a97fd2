/** Every page of the app: where it is, and who may see it. */
import { type paths, serverPaths } from '../src/config/paths';
import type { Installation } from './harness/installation';
import { answered, type Person } from './people';

interface List {
  data: { id: string; email?: string; model?: string }[];
}

export interface PageCase {
  by: 'guest' | 'member' | 'admin';
  /** What stands for the `$id` of its address. */
  id?: (person: Person, server: Installation) => Promise<string>;
}

async function firstId({ api, email }: Person, list: string): Promise<string> {
  const { data } = await answered<List>(api.get(list));
  const found = data.find((one) => (one.email ?? email) === email);
  if (!found) throw new Error(`nothing in ${list}`);
  return found.id;
}

/** A new address in `paths` must come here too, by its type. */
export const pages: Record<keyof typeof paths, PageCase> = {
  home: { by: 'guest' },
  playground: { by: 'guest' },
  verify: { by: 'guest' },
  reset: { by: 'guest' },
  setup: { by: 'guest' },
  login: { by: 'guest' },
  register: { by: 'guest' },
  forgot: { by: 'guest' },
  docs: { by: 'guest' },
  account: { by: 'member' },
  security: { by: 'member' },
  sessions: { by: 'member' },
  tokens: { by: 'member' },
  jobs: { by: 'member' },
  job: { by: 'member', id: (person) => firstId(person, '/v1/jobs?status=succeeded') },
  usage: { by: 'member' },
  admin: { by: 'admin' },
  adminFleet: { by: 'admin' },
  adminQueues: { by: 'admin' },
  adminUsers: { by: 'admin' },
  adminUser: { by: 'admin', id: (person) => firstId(person, `/v1/users?q=${person.email}`) },
  adminPlans: { by: 'admin' },
  adminAudit: { by: 'admin' },
  adminOutbox: { by: 'admin' },
};

/** Pages that the server makes itself: where they are, what is there when they are, and which rules are the library's. */
export const serverPages = {
  // Swagger UI puts the button that copies an address into the one that opens the operation.
  reference: { path: serverPaths.reference, there: '.opblock', except: ['nested-interactive'] },
  errors: { path: `${serverPaths.reference}/errors`, there: 'tbody tr', except: [] },
} as const;
