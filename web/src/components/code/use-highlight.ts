/** Code in colour as soon as what colours it is there. */
import { useEffect, useState } from 'react';
import { ahead } from '@/lib/ahead';

type Highlight = (code: string, language: string) => string;

let loaded: Highlight | undefined;

export function useHighlight(code: string, language: string): string | undefined {
  const [highlight, setHighlight] = useState<Highlight | undefined>(() => loaded);
  useEffect(() => {
    if (loaded) return;
    let here = true;
    // Where it does not come the code is plain.
    ahead(async () => {
      const module = await import('./highlight');
      loaded = module.highlight;
      if (here) setHighlight(() => module.highlight);
    });
    return () => {
      here = false;
    };
  }, []);
  return highlight?.(code, language);
}
