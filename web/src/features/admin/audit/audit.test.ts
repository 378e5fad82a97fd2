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
  it.each([
    [{ from: 'user', to: 'admin' }, 'user → admin'],
    [{ order: 'drain', name: 'vm-1' }, 'vm-1 · drain'],
    [{ reason: 'wrong_credentials' }, 'wrong_credentials'],
    [{ scopes: ['jobs:read'] }, undefined],
    [undefined, undefined],
  ])('%j', (detail, text) => {
    expect(sayDetail(detail)).toBe(text);
  });
});

describe('local time', () => {
  it('comes back as it was', () => {
    expect(fromLocal(toLocal('2026-11-30T06:24:00.000Z'))).toBe('2026-11-30T06:24:00.000Z');
    expect(toLocal('nonsense')).toBe('');
    expect(fromLocal('')).toBeUndefined();
  });
});
