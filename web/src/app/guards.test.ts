import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { queryClient } from '@/lib/query-client';
import { sessionQuery } from '@/lib/session';
import { requireGuest } from './guards';

const somebody = { user: { id: 'user_1' } } as never;

/** Where an entry is led on to; undefined where it may stay. */
async function ledTo(entry: Partial<Parameters<typeof requireGuest>[0]>): Promise<string | undefined> {
  try {
    await requireGuest({ cause: 'enter', location: { hash: '', state: {} }, search: {}, ...entry });
    return undefined;
  } catch (redirect) {
    return (redirect as { options: { href: string } }).options.href;
  }
}

describe('requireGuest', () => {
  beforeEach(() => {
    vi.stubGlobal('window', { location: { origin: 'http://lamps.example' } });
    queryClient.setQueryData(sessionQuery.queryKey, somebody);
  });
  afterEach(() => {
    queryClient.clear();
    vi.unstubAllGlobals();
  });

  it('leads on whoever is logged in, only to places of this app', async () => {
    expect(await ledTo({})).toBe('/playground');
    expect(await ledTo({ search: { next: '/jobs?status=failed' } })).toBe('/jobs?status=failed');
    expect(await ledTo({ search: { next: 'https://elsewhere.example/' } })).toBe('/playground');
  });

  it('lets a guest in, and whoever is asked to log in again', async () => {
    expect(await ledTo({ location: { hash: '', state: { again: true } } })).toBeUndefined();
    expect(await ledTo({ location: { hash: 'token=lmi_x', state: {} } })).toBeUndefined();
    expect(await ledTo({ search: { invitation: 'lmi_x' } })).toBeUndefined();
    queryClient.setQueryData(sessionQuery.queryKey, null);
    expect(await ledTo({})).toBeUndefined();
  });

  it('tells the failure of a login elsewhere, also once it is out of the address', async () => {
    expect(await ledTo({ location: { hash: 'error=link_required', state: {} } })).toBeUndefined();
    expect(await ledTo({ cause: 'stay' })).toBeUndefined();
  });
});
