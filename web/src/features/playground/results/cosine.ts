/** How near vectors are to each other. */

/** The cosine of each with each; 0 where a vector has no length. */
export function cosineMatrix(vectors: number[][]): number[][] {
  const lengths = vectors.map((vector) => Math.hypot(...vector));
  return vectors.map((a, i) =>
    vectors.map((b, j) => {
      const scale = (lengths[i] ?? 0) * (lengths[j] ?? 0);
      return scale === 0 ? 0 : dot(a, b) / scale;
    }),
  );
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}
