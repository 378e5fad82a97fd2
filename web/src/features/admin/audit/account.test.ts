import { describe, expect, it, vi } from 'vitest';
import type { User } from '@/api/generated';
import { findAccount } from './account';

const ID = 'user_01ke1bzz4m3n2p1q0r9s8t7v6w';

describe('findAccount', () => {
  const users = [
    { id: 'user_1', email: 'another.ada@example.org' },
    { id: ID, email: 'ada@example.org' },
  ] as User[];
  const search = vi.fn(() => Promise.resolve(users));

  it('takes an identifier as it is, and asks nobody', async () => {
    expect(await findAccount(ID, search)).toEqual({ id: ID });
    expect(search).not.toHaveBeenCalled();
  });

  it('finds an address, and no other that only contains it', async () => {
    expect(await findAccount('Ada@example.org', search)).toEqual({ id: ID });
    expect(await findAccount('a@example.org', search)).toEqual({ fault: 'unknown' });
  });

  it.each(['ada', 'user_abc', ID.toUpperCase(), `${ID}0`, 'tok_01ke1bzz4m3n2p1q0r9s8t7v6w'])(
    '%s is neither',
    async (typed) => {
      expect(await findAccount(typed, search)).toEqual({ fault: 'malformed' });
    },
  );
});
