/** What is wrong with a value before it is sent, by the name of its text; the server judges again. */

/** Fewest characters of a new password, as the server has it (`accounts.min_password_length`) unless it is set otherwise. */
export const LEAST_PASSWORD = 15;

export type Fault = 'required' | 'email' | 'code' | 'short';

export function requiredFault(value: string): Fault | undefined {
  return value === '' ? 'required' : undefined;
}

export function emailFault(value: string): Fault | undefined {
  const email = value.trim();
  return requiredFault(email) ?? (/^\S+@\S+$/.test(email) ? undefined : 'email');
}

/** The digits of a code, also where people wrote it in groups. */
export function digitsOf(code: string): string {
  return code.replace(/[\s\p{Pd}]/gu, '');
}

export function codeFault(value: string): Fault | undefined {
  const digits = digitsOf(value);
  return requiredFault(digits) ?? (/^\d{6}$/.test(digits) ? undefined : 'code');
}

export function newPasswordFault(value: string): Fault | undefined {
  // Characters as the server counts them: one outside of the first 65,536 has a length of two here.
  return requiredFault(value) ?? (Array.from(value).length < LEAST_PASSWORD ? 'short' : undefined);
}
