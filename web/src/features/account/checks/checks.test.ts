import { describe, expect, it } from 'vitest';
import { codeFault, digitsOf, emailFault } from './checks';

describe('emailFault', () => {
  it('tells a field that is empty from one that holds no address', () => {
    expect(emailFault('  ')).toBe('required');
    expect(emailFault('nobody')).toBe('email');
    expect(emailFault(' ada@example.org ')).toBeUndefined();
  });
});

describe('codeFault', () => {
  it('takes six digits, however they are grouped', () => {
    for (const code of ['123456', ' 123 456 ', '123-456', '12–34–56', '123　456']) {
      expect(codeFault(code), code).toBeUndefined();
      expect(digitsOf(code), code).toBe('123456');
    }
  });

  it('takes nothing else', () => {
    expect(codeFault(' - ')).toBe('required');
    for (const code of ['12', '1234567', '12345a', '123.456']) expect(codeFault(code), code).toBe('code');
  });
});
