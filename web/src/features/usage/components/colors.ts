/** Colours of shares, told apart in both schemes; the last is for what is put together. */
export const palette = ['amber.5', 'teal.6', 'indigo.5', 'pink.5', 'cyan.5', 'lime.6', 'gray.5'] as const;

export function colorOf(place: number, key: string | undefined): string {
  return key === undefined ? 'gray.5' : (palette[place] ?? 'gray.5');
}
