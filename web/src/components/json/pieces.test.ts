import { describe, expect, it } from 'vitest';
import { piecesOf } from './pieces';

const textOf = (value: unknown) =>
  piecesOf(value)
    .map((piece) => (piece.kind === 'more' ? `<${piece.count}>` : piece.text))
    .join('');

describe('piecesOf', () => {
  it.each([
    [{ texts: ['a', { b: true }], none: null, empty: [], object: {} }],
    [['x']],
    ['a "quoted"\ntext'],
    [1.5],
  ])('is JSON', (value) => {
    expect(JSON.parse(textOf(value))).toEqual(value);
  });

  it('is laid out as JSON usually is, but for numbers', () => {
    const value = { a: [{ b: 'c' }], d: false };
    expect(textOf(value)).toBe(JSON.stringify(value, undefined, 2));
    expect(textOf([1, 2, 3])).toBe('[1, 2, 3]');
  });

  it('cuts what is long, and says how much', () => {
    expect(textOf(Array.from({ length: 384 }, () => 0))).toBe(`[${'0, '.repeat(8)}<376>]`);
    expect(textOf('a'.repeat(5000))).toMatch(/a<1000>"$/);
    expect(textOf(`data:image/png;base64,${'A'.repeat(100)}`)).toMatch(/^"data:image\/png;base64,A+<74>"$/);
  });
});
