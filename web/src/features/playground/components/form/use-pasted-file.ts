/** Files that are pasted anywhere on the page. */
import { useEffect, useEffectEvent } from 'react';

export function usePastedFile(kind: 'image' | 'audio', take: (file: File) => void) {
  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith(`${kind}/`));
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  useEffect(() => {
    window.addEventListener('paste', onPaste);
    return () => window.removeEventListener('paste', onPaste);
  }, []);
}
