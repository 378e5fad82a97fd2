import { describe, expect, it } from 'vitest';
import { formatNumber } from '@/lib/format';
import { formatMemory, formatSpan, thousandsSeparator } from './amounts';

describe('formatMemory', () => {
  it('chooses the unit', () => {
    expect(formatMemory('en', 180_694_334)).toBe('181 MB');
    expect(formatMemory('en', 20_220_847_718)).toBe('20.2 GB');
  });
});

describe('thousandsSeparator', () => {
  it.each(['en', 'zh-Hant', 'ja'])('is the one of other numbers in %s', (language) => {
    expect(`10${thousandsSeparator(language)}000`).toBe(formatNumber(language, 10_000));
  });
});

describe('formatSpan', () => {
  it.each([
    [0.34, '0.3 sec'],
    [40, '40 sec'],
    [65, '1 min 5 sec'],
    [3_600, '1 hr'],
    [7_505, '2 hr 5 min'],
    [90_061, '1 day 1 hr'],
  ])('%d', (seconds, text) => {
    expect(formatSpan('en', seconds)).toBe(text);
  });
});
