/** The actions of the audit log that this app has words for, as areas with what is done in them. */
export const actionAreas = {
  account: [
    'register',
    'create',
    'verify',
    'approve',
    'disable',
    'enable',
    'recover',
    'reset',
    'delete',
    'restore',
    'purge',
  ],
  profile: ['change'],
  password: ['change'],
  email: ['change'],
  role: ['change'],
  session: ['create', 'end', 'end_all'],
  identity: ['link', 'unlink'],
  token: ['create', 'rotate', 'limit', 'revoke', 'delete'],
  plan: ['assign', 'change'],
  invitation: ['create', 'revoke'],
  mail: ['retry'],
  worker: ['order'],
  model: ['disable', 'enable'],
} as const;

type Areas = typeof actionAreas;
export type Action = { [Area in keyof Areas]: `${Area}.${Areas[Area][number]}` }[keyof Areas];

export const actions: readonly Action[] = Object.entries(actionAreas).flatMap(([area, deeds]) =>
  deeds.map((deed) => `${area}.${deed}` as Action),
);

/** Servers may be newer than this app. */
export function isAction(name: string): name is Action {
  return (actions as readonly string[]).includes(name);
}
