/** What tokens may be allowed to do, in the order of a form. */
export const scopes = [
  { scope: 'jobs:write', label: 'jobsWrite', usual: true },
  { scope: 'jobs:read', label: 'jobsRead', usual: true },
  { scope: 'models:read', label: 'modelsRead', usual: true },
  { scope: 'account:read', label: 'accountRead', usual: false },
  { scope: 'tokens:write', label: 'tokensWrite', usual: false },
  { scope: 'admin', label: 'admin', usual: false },
] as const;

export const usualScopes = scopes.filter(({ usual }) => usual).map(({ scope }) => scope as string);
