/** A way in for guests, a menu for whoever is logged in. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { CurrentUser } from '@/api/generated';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { useUser } from '@/lib/session';
import { AvatarButton } from './avatar-button';

const loadMenu = () => import('./user-menu');
const UserMenu = lazy(async () => ({ default: (await loadMenu()).UserMenu }));

export function AccountMenu() {
  const { t } = useTranslation();
  const user = useUser();
  if (user === undefined) return <Skeleton circle height={34} />;
  if (user === null) {
    return (
      <LinkButton to={paths.login} size="sm" variant="default">
        {t('nav.login')}
      </LinkButton>
    );
  }
  return <OwnMenu user={user} />;
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
      onPointerEnter={() => void loadMenu()}
      onFocus={() => void loadMenu()}
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
