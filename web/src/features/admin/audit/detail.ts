/** The part of an entry's detail that can be said in a line: from what to what, or the one thing that matters. */
import type { TFunction } from 'i18next';
import * as z from 'zod/mini';

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const change = z.object({ from: scalar, to: scalar });
/** Named in this order; the first that is there is told. */
const TELLING = ['name', 'order', 'reason', 'step', 'provider'] as const;

/** Values that have words of ours. The rest are names, or of a server that is newer than this app. */
const WORDS = {
  role: { user: 'role.user', admin: 'role.admin' },
  order: {
    drain: 'worker.order.drain.action',
    maintenance: 'worker.order.maintenance.action',
    resume: 'worker.order.resume.action',
  },
  reason: {
    wrong_credentials: 'audit.reason.wrong_credentials',
    too_many_attempts: 'audit.reason.too_many_attempts',
    email_not_verified: 'audit.reason.email_not_verified',
    approval_pending: 'audit.reason.approval_pending',
    account_disabled: 'audit.reason.account_disabled',
    registration_closed: 'audit.reason.registration_closed',
    link_required: 'audit.reason.link_required',
    conflict: 'audit.reason.conflict',
    proof_invalid: 'audit.reason.proof_invalid',
    unavailable: 'audit.reason.unavailable',
  },
  step: {
    asked: 'audit.step.asked',
    confirmed: 'audit.step.confirmed',
    'asked for the mail again': 'audit.step.again',
  },
} as const;

type Kinds = typeof WORDS;
type Key = { [Kind in keyof Kinds]: Kinds[Kind][keyof Kinds[Kind]] }[keyof Kinds];

function keyOf(kind: string, value: string): Key | undefined {
  const words = new Map<string, Record<string, Key>>(Object.entries(WORDS)).get(kind);
  return new Map(Object.entries(words ?? {})).get(value);
}

export function sayDetail(action: string, detail: unknown, t: TFunction<'admin'>): string | undefined {
  const say = (kind: string, value: unknown) => {
    const key = keyOf(kind, String(value));
    return key ? t(key) : String(value);
  };
  const changed = change.safeParse(detail);
  if (changed.success) {
    const kind = action === 'role.change' ? 'role' : 'plan';
    return `${say(kind, changed.data.from)} → ${say(kind, changed.data.to)}`;
  }
  const known = z.record(z.string(), z.unknown()).safeParse(detail);
  if (!known.success) return undefined;
  const words = TELLING.flatMap((key) => {
    const { success, data } = scalar.safeParse(known.data[key]);
    return success ? [say(key, data)] : [];
  });
  return words.length > 0 ? words.join(' · ') : undefined;
}
