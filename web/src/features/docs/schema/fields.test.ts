import { describe, expect, it } from 'vitest';
import { fieldsOf } from './fields';

describe('fieldsOf', () => {
  it('puts first what must be there, and says types shortly', () => {
    const fields = fieldsOf({
      properties: {
        top_k: { type: 'integer', minimum: 1, maximum: 100, default: 5 },
        role: { enum: ['user', 'system'] },
        texts: { type: 'array', items: { type: 'string' }, description: 'Texts.' },
      },
      oneOf: [{ required: ['texts'] }, { required: ['text'] }],
    });
    expect(fields.map(({ name, type, required, usual }) => [name, type, required, usual])).toEqual([
      ['texts', 'string[]', true, undefined],
      ['top_k', 'integer, 1–100', false, '5'],
      ['role', '"user" | "system"', false, undefined],
    ]);
  });

  it('has none of what is no schema', () => {
    expect(fieldsOf('nothing')).toEqual([]);
  });
});
