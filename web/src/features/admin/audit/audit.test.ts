import type { TFunction } from 'i18next';
import { describe, expect, it } from 'vitest';
import { actions, isAction } from './actions';
import { sayDetail } from './detail';
import { fromLocal, toLocal } from './local-time';

describe('actions', () => {
  it('are known by their names', () => {
    expect(actions).toContain('session.end_all');
    expect(isAction('account.disable')).toBe(true);
    expect(isAction('account.fly')).toBe(false);
  });
});

describe('sayDetail', () => {
  // A key stands for its words.
  const t = ((key: string) => `<${key}>`) as unknown as TFunction<'admin'>;
  it.each([
    ['role.change', { from: 'user', to: 'admin' }, '<role.user> → <role.admin>'],
    ['plan.assign', { from: 'user', to: 'admin' }, 'user → admin'],
    ['worker.order', { order: 'drain', name: 'vm-1' }, 'vm-1 · <worker.order.drain.action>'],
    ['session.create', { reason: 'wrong_credentials' }, '<audit.reason.wrong_credentials>'],
    ['session.create', { reason: 'too_new_a_code', provider: 'sso' }, 'too_new_a_code · sso'],
    ['email.change', { step: 'asked for the mail again' }, '<audit.step.again>'],
    ['email.change', { step: 'constructor' }, 'constructor'],
    ['token.create', { scopes: ['jobs:read'] }, undefined],
    ['token.create', undefined, undefined],
  ])('%s %j', (action, detail, text) => {
    expect(sayDetail(action, detail, t)).toBe(text);
  });
});

describe('local time', () => {
  it('comes back as it was', () => {
    expect(fromLocal(toLocal('2026-11-30T06:24:00.000Z'))).toBe('2026-11-30T06:24:00.000Z');
    expect(toLocal('nonsense')).toBe('');
    expect(fromLocal('')).toBeUndefined();
  });
});
