import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from './problem';
import { queryClient } from './query-client';
import { noteFailure, sessionQuery } from './session';

const somebody = { user: { id: 'user_1' } } as never;

function known() {
  return queryClient.getQueryData(sessionQuery.queryKey);
}

describe('noteFailure', () => {
  afterEach(() => queryClient.clear());

  it('forgets who one was when the server does not know any more', () => {
    queryClient.setQueryData(sessionQuery.queryKey, somebody);
    noteFailure(new ApiError(401, 'no', 'unauthorized'));
    expect(known()).toBeNull();
  });

  it('takes a wrong password, and every other failure, for no end of a login', () => {
    queryClient.setQueryData(sessionQuery.queryKey, somebody);
    noteFailure(new ApiError(401, 'no', 'wrong_credentials'));
    noteFailure(new ApiError(403, 'no', 'login_too_old'));
    noteFailure(new TypeError('Failed to fetch'));
    expect(known()).toBe(somebody);
  });

  it('knows nothing of a guest after as before', () => {
    noteFailure(new ApiError(401, 'no', 'unauthorized'));
    expect(known()).toBeUndefined();
  });
});
