import { describe, expect, it } from 'vitest';
import { cosineMatrix } from './cosine';
import { readResult } from './result-kind';

describe('cosineMatrix', () => {
  it('is 1 with itself, 0 at right angles, -1 opposite, and knows vectors without length', () => {
    const matrix = cosineMatrix([
      [2, 0],
      [0, 3],
      [-1, 0],
      [0, 0],
    ]);
    expect(matrix[0]).toEqual([1, 0, -1, 0]);
    expect(matrix[3]).toEqual([0, 0, 0, 0]);
  });
});

describe('readResult', () => {
  const polygon = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  it.each([
    ['embeddings', { embeddings: [[1, 2]], usage: { tokens: 3 } }],
    ['similarity', { matrix: [[1]] }],
    ['textLabels', { results: [{ labels: [{ label: 'a', score: 0.5 }] }] }],
    ['labels', { labels: [{ label: 'a', score: 0.5 }] }],
    ['ranking', { scores: [{ index: 1, score: 0.5 }] }],
    ['faces', { boxes: [{ polygon, score: 0.9, landmarks: [[1, 1]] }] }],
    ['lines', { lines: [{ text: 'a', polygon, confidence: 0.9 }] }],
    ['mrz', { mrz: [], type: null, fields: {}, valid: false, checks: {}, corrections: 0 }],
    ['speech', { text: 'a', segments: [{ start: 0, end: 1, text: 'a' }] }],
    ['speech', { segments: [{ start: 0, end: 1, confidence: 0.9 }], duration: 1 }],
    ['writing', { text: 'a', finish_reason: 'stop', seed: 1 }],
    ['json', { hello: 'world' }],
    ['json', undefined],
  ])('%s', (kind, output) => {
    expect(readResult(output).kind).toBe(kind);
  });
});
