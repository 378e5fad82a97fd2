/** What is wrong with a value before it is sent, by the name of its text; the server judges again. */

export type Fault = 'required' | 'email' | 'code';

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
