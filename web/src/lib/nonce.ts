/** The nonce of this answer, which styles made at run time must carry. */
import { setNonce } from 'get-nonce';

export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
}

/** The library that locks scrolling behind dialogs asks this one. */
export function shareNonce() {
  setNonce(styleNonce());
}
