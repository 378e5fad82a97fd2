/** A way in for guests, a menu for whoever is logged in. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { useUser } from '@/lib/session';

const UserMenu = lazy(async () => ({ default: (await import('./user-menu')).UserMenu }));

export function AccountMenu() {
  const { t } = useTranslation();
  const user = useUser();
  const waiting = <Skeleton circle height={34} />;
  if (user === undefined) return waiting;
  if (user === null) {
    return (
      <LinkButton to={paths.login} size="sm" variant="default">
        {t('nav.login')}
      </LinkButton>
    );
  }
  return (
    <Suspense fallback={waiting}>
      <UserMenu name={user.display_name || user.email} email={user.email} />
    </Suspense>
  );
}
