import { describe, expect, it } from 'vitest';
import { firstStep } from './first-step';

const user = {};
const guest = null;

describe('firstStep', () => {
  it('is the playground for whoever is logged in, and where guests may use a model', () => {
    expect(firstStep({ session: user, models: undefined, failed: false })).toBe('playground');
    expect(firstStep({ session: guest, models: ['minilm'], failed: false })).toBe('playground');
  });

  it('is an account where guests may use none', () => {
    expect(firstStep({ session: guest, models: [], failed: false })).toBe('account');
  });

  it('is not said before it is known, and no failure holds it up', () => {
    expect(firstStep({ session: undefined, models: undefined, failed: false })).toBeUndefined();
    expect(firstStep({ session: guest, models: undefined, failed: false })).toBeUndefined();
    expect(firstStep({ session: guest, models: undefined, failed: true })).toBe('playground');
  });
});
