/**
 * An input in the fragment of an address, as the playground's share links have it: `input=p` and base64url of the JSON.
 * Media are left out, as there.
 */
export function inputFragment(input: Record<string, unknown>): string {
  const kept = Object.entries(input).filter(([, value]) => !isMedia(value));
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(kept)));
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return `input=p${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

export function hasMedia(input: Record<string, unknown>): boolean {
  return Object.values(input).some(isMedia);
}

function isMedia(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('data:');
}
