/** One text that a tab keeps over a load of the page. It is its person's, and gone with their login. */

const KEY = 'lamplighter.desk';

/** Whether there was room. What was kept before is gone either way. */
export function keepInTab(text: string): boolean {
  forgetInTab();
  try {
    sessionStorage.setItem(KEY, text);
    return true;
  } catch {
    return false;
  }
}

/** It is there once. */
export function takeFromTab(): string | undefined {
  const text = sessionStorage.getItem(KEY) ?? undefined;
  forgetInTab();
  return text;
}

export function forgetInTab() {
  sessionStorage.removeItem(KEY);
}
