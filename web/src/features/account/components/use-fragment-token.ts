/** The secret of a link (`#token=…`). It is taken out of the address at once, so that no history keeps it. */
import { useEffect, useState } from 'react';

function read(): string {
  return new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '';
}

export function useFragmentToken(): string {
  const [token] = useState(read);
  useEffect(() => {
    if (!window.location.hash) return;
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
  }, []);
  return token;
}
