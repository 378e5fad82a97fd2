import { describe, expect, it } from 'vitest';
import type { Token } from '@/api/generated';
import { labelOf, labelsById } from './tokens';

const token = (id: string, last4?: string) => ({ id, name: 'lamp', ...(last4 && { last4 }) }) as Token;

describe('labelOf', () => {
  it('tells tokens of the same name apart', () => {
    expect(labelOf(token('tok_1', 'aB3d'))).toBe('lamp (…aB3d)');
    expect(labelOf(token('tok_2'))).toBe('lamp');
  });
});

describe('labelsById', () => {
  it('has one for each', () => {
    expect(labelsById([token('tok_1', 'aB3d'), token('tok_2')]).get('tok_2')).toBe('lamp');
  });
});
