import { describe, expect, it } from 'vitest';
import { ApiError } from '@/lib/problem';
import { atFields } from './faults';

describe('atFields', () => {
  it('points at the fields of the form', () => {
    const pointers = ['/name', '/scopes/1', '/expires_in_seconds', undefined];
    const faults = pointers.map((pointer) => ({ pointer, detail: 'wrong' }));
    const error = atFields(new ApiError(422, 'no', 'validation_failed', faults, 'req_1'));
    expect(error).toMatchObject({ status: 422, code: 'validation_failed', requestId: 'req_1' });
    expect((error as ApiError).fields.map(({ pointer }) => pointer)).toEqual([
      '/name',
      '/scopes',
      '/expiry',
      undefined,
    ]);
  });

  it('leaves other failures as they are', () => {
    const error = new TypeError('no connection');
    expect(atFields(error)).toBe(error);
  });
});
