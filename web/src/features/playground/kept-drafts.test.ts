import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { leaveDrafts, takeDrafts } from './kept-drafts';

const ROOM = 200_000;
const LAMP: [string, Record<string, unknown>] = ['minilm text-embedding', { texts: ['a lamp'] }];

/** As a browser's, with little room. */
function storage() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    removeItem: (key: string) => kept.delete(key),
    setItem: (key: string, text: string) => {
      if (text.length > ROOM) throw new DOMException('full', 'QuotaExceededError');
      kept.set(key, text);
    },
  };
}

describe('drafts over a load of the page', () => {
  beforeEach(() => vi.stubGlobal('sessionStorage', storage()));
  afterEach(() => vi.unstubAllGlobals());

  it('are there once, for whom they are', () => {
    leaveDrafts('user_1', [LAMP]);
    expect(takeDrafts('user_1')).toEqual([LAMP]);
    expect(takeDrafts('user_1')).toEqual([]);
  });

  it('of a guest go along into a login', () => {
    leaveDrafts(null, [LAMP]);
    expect(takeDrafts('user_1')).toEqual([LAMP]);
  });

  it.each([null, 'user_2'])('of somebody else are not there, and gone', (other) => {
    leaveDrafts('user_1', [LAMP]);
    expect(takeDrafts(other)).toEqual([]);
    expect(takeDrafts('user_1')).toEqual([]);
  });

  it('leave pictures behind where there is no room', () => {
    leaveDrafts(null, [LAMP, ['mtcnn face-detection', { image: 'x'.repeat(ROOM) }]]);
    expect(takeDrafts(null)).toEqual([LAMP]);
  });

  it('are nothing where somebody else wrote something there', () => {
    sessionStorage.setItem('lamplighter.drafts', '{"owner":null,"drafts":[["a",1]]}');
    expect(takeDrafts(null)).toEqual([]);
  });
});
