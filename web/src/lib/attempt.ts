/** Keys for what must happen once, however often it is asked for: the `Idempotency-Key` of the API. */
import { useRef } from 'react';
import { ApiError } from './problem';

const BYTES = 16;
const TRIES = 3;

/** `crypto.randomUUID` is not there on pages without https. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * One key for each attempt at `what`, which may be known only when it is made: a second click gets the same one, and so does a new try after a failure that may
 * have come too late. Once the server has answered, `end` lets go of it.
 */
export function useAttempt(what = '') {
  const attempt = useRef<{ what: string; key: string }>(undefined);
  return {
    key: (of = what): string => {
      if (attempt.current?.what !== of) attempt.current = { what: of, key: newKey() };
      return attempt.current.key;
    },
    end: (error?: unknown) => {
      if (!mayHaveArrived(error)) attempt.current = undefined;
    },
  };
}

/** For `retry` of a mutation that carries a key: only where no answer of the server came. */
export function worthSendingAgain(failures: number, error: unknown): boolean {
  return failures < TRIES && mayHaveArrived(error);
}

function mayHaveArrived(error: unknown): boolean {
  return error instanceof ApiError ? [502, 504].includes(error.status) : error instanceof TypeError;
}
