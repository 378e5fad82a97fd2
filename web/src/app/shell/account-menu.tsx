/** A way in for guests, a menu for whoever is logged in. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useRouterState } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { CurrentUser } from '@/api/generated';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { ahead } from '@/lib/ahead';
import { useUser } from '@/lib/session';
import { AvatarButton } from './avatar-button';

const doors = new Set<string>([
  paths.home,
  paths.register,
  paths.verify,
  paths.forgot,
  paths.reset,
  paths.setup,
]);

const loadMenu = () => import('./user-menu');
const UserMenu = lazy(async () => ({ default: (await loadMenu()).UserMenu }));

export function AccountMenu() {
  const { t } = useTranslation();
  const user = useUser();
  const next = useRouterState({ select: ({ location }) => worthComingBack(location) });
  if (user === undefined) return <Skeleton circle height={34} />;
  if (user === null) {
    return (
      <LinkButton to={paths.login} search={next === undefined ? {} : { next }} size="sm" variant="default">
        {t('nav.login')}
      </LinkButton>
    );
  }
  return <OwnMenu user={user} />;
}

/** Where a login leads back to. Who stands at a door wants in; addresses there may hold a secret. */
function worthComingBack({ pathname, href, search }: { pathname: string; href: string; search: object }) {
  if (pathname === paths.login) return 'next' in search ? String(search.next) : undefined;
  return doors.has(pathname) ? undefined : href;
}

/** Menus weigh much: theirs comes when somebody reaches for the button, and the first press opens it. */
function OwnMenu({ user }: { user: CurrentUser }) {
  const [wanted, setWanted] = useState(false);
  const name = user.display_name || user.email;
  const button = (
    <AvatarButton
      name={name}
      aria-haspopup="menu"
      aria-expanded={false}
      onPointerEnter={() => ahead(loadMenu)}
      onFocus={() => ahead(loadMenu)}
      onClick={() => setWanted(true)}
    />
  );
  if (!wanted) return button;
  return (
    <Suspense fallback={button}>
      <UserMenu name={name} email={user.email} />
    </Suspense>
  );
}
