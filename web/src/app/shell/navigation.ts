/** The entries of the main navigation, in order. A new page adds a line here. */
import type { LinkProps } from '@tanstack/react-router';
import { paths } from '@/config/paths';

/** Who sees an entry. */
type Audience = 'everybody' | 'user' | 'admin';

interface Entry {
  to: NonNullable<LinkProps['to']>;
  /** Key under `nav` in `common.json`. */
  label: 'playground' | 'jobs' | 'usage' | 'tokens' | 'docs' | 'admin';
  audience: Audience;
}

const entries: readonly Entry[] = [
  { to: paths.playground, label: 'playground', audience: 'everybody' },
  { to: paths.jobs, label: 'jobs', audience: 'user' },
  { to: paths.usage, label: 'usage', audience: 'user' },
  { to: paths.tokens, label: 'tokens', audience: 'user' },
  { to: paths.docs, label: 'docs', audience: 'everybody' },
  { to: paths.admin, label: 'admin', audience: 'admin' },
];

export function navigationFor(user: { role: string } | null | undefined): readonly Entry[] {
  return entries.filter(({ audience }) => {
    if (audience === 'everybody') return true;
    return audience === 'admin' ? user?.role === 'admin' : Boolean(user);
  });
}
