/** Every address of the app, in one place. Links and redirects name these, never texts of their own. */
export const paths = {
  home: '/',
  playground: '/playground',
  // Links of mails and of the command line lead to these three; the secret is in the fragment (`#token=…`).
  verify: '/verify',
  reset: '/reset',
  setup: '/setup',
  login: '/login',
  register: '/register',
  forgot: '/forgot',
  account: '/account',
  security: '/account/security',
  sessions: '/account/sessions',
  tokens: '/tokens',
  jobs: '/jobs',
  job: '/jobs/$id',
  usage: '/usage',
  admin: '/admin',
  adminFleet: '/admin/fleet',
  adminQueues: '/admin/queues',
  adminUsers: '/admin/users',
  adminUser: '/admin/users/$id',
  adminPlans: '/admin/plans',
  adminAudit: '/admin/audit',
  adminOutbox: '/admin/outbox',
  docs: '/guide',
} as const;

/** Pages that the server makes itself. */
export const serverPaths = {
  reference: '/docs',
  openapi: '/openapi.json',
  provider: (id: string, returnTo: string, linking = false) => {
    const query = new URLSearchParams({ return_to: returnTo });
    if (linking) query.set('link', 'true');
    return `/v1/session/oidc/${encodeURIComponent(id)}?${query.toString()}`;
  },
} as const;
