import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Desk, leaveDesk, takeDesk } from './kept-desk';

const ROOM = 200_000;
const NOTHING: Desk = { drafts: [], runs: [] };
const job = { id: 'job_1', status: 'processing', model: 'minilm', task: 'similarity', attempt: 1 } as never;
const desk: Desk = {
  drafts: [['minilm text-embedding', { texts: ['a lamp'] }]],
  runs: [['minilm similarity', { job, input: { texts: ['a', 'b'] } }]],
};

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

describe('a desk over a load of the page', () => {
  beforeEach(() => vi.stubGlobal('sessionStorage', storage()));
  afterEach(() => vi.unstubAllGlobals());

  it.each([null, 'user_1'])('is there once, for whom it is', (owner) => {
    leaveDesk(owner, desk);
    expect(takeDesk(owner)).toEqual(desk);
    expect(takeDesk(owner)).toEqual(NOTHING);
  });

  it('of a guest goes along into a login, but for the runs', () => {
    leaveDesk(null, desk);
    expect(takeDesk('user_1')).toEqual({ ...desk, runs: [] });
  });

  it.each([null, 'user_2'])('of somebody else is not there, and gone', (other) => {
    leaveDesk('user_1', desk);
    expect(takeDesk(other)).toEqual(NOTHING);
    expect(takeDesk('user_1')).toEqual(NOTHING);
  });

  it('leaves pictures and long outputs behind where there is no room', () => {
    const drafts: Desk['drafts'] = [...desk.drafts, ['mtcnn face-detection', { image: 'x'.repeat(ROOM) }]];
    leaveDesk(null, { ...desk, drafts });
    expect(takeDesk(null)).toEqual(desk);
  });

  it('is nothing where something else stands there', () => {
    sessionStorage.setItem('lamplighter.desk', '{"owner":null,"drafts":[["a",1]]}');
    expect(takeDesk(null)).toEqual(NOTHING);
  });
});
