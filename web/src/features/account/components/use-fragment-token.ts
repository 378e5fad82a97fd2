/** The secret of a link (`#token=…`). It is taken out of the address at once, so that no history keeps it. */
import { useEffect, useState } from 'react';

function read(): string {
  return new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '';
}

export function useFragmentToken(): string {
  const [token, setToken] = useState(read);
  useEffect(() => {
    const take = () => {
      if (!window.location.hash) return;
      setToken(read());
      window.history.replaceState(
        window.history.state,
        '',
        window.location.pathname + window.location.search,
      );
    };
    take();
    // Another link in the same tab changes nothing but the fragment.
    window.addEventListener('hashchange', take);
    return () => window.removeEventListener('hashchange', take);
  }, []);
  return token;
}
