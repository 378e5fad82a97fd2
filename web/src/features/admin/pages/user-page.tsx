/** One account: what is known of it, what it may do, its tokens. */
import { Group, SimpleGrid, Skeleton } from '@mantine/core';
import { IconArrowLeft, IconHistory } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { userQuery } from '../api/get-user';
import { AdminPage } from '../components/admin-page';
import { Loaded } from '../components/loaded';
import { UserAccess } from '../components/users/user-access';
import { UserFacts } from '../components/users/user-facts';
import { UserStatusBadge } from '../components/users/user-status';
import { UserTokens } from '../components/users/user-tokens';

const route = getRouteApi(paths.adminUser);

export function UserPage() {
  const { t } = useTranslation('admin');
  const { id } = route.useParams();
  const user = useQuery(userQuery(id));
  const name = user.data ? user.data.display_name || user.data.email : t('user.one');
  return (
    <AdminPage
      title={name}
      lead={user.data?.display_name ? user.data.email : undefined}
      actions={user.data && <UserStatusBadge status={user.data.status} />}
    >
      <Group gap="sm">
        <LinkButton
          to={paths.adminUsers}
          variant="default"
          size="xs"
          leftSection={<IconArrowLeft size={15} />}
        >
          {t('user.back')}
        </LinkButton>
        <LinkButton
          to={paths.adminAudit}
          search={{ user: id }}
          variant="default"
          size="xs"
          leftSection={<IconHistory size={15} />}
        >
          {t('user.history')}
        </LinkButton>
      </Group>
      <Loaded query={user} skeleton={<UserSkeleton />}>
        {(known) => (
          <>
            <SimpleGrid cols={{ base: 1, md: known.status === 'guest' ? 1 : 2 }} spacing="md">
              <UserFacts user={known} />
              {known.status !== 'guest' && <UserAccess user={known} />}
            </SimpleGrid>
            <UserTokens user={known} />
          </>
        )}
      </Loaded>
    </AdminPage>
  );
}

function UserSkeleton() {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" aria-busy="true">
      <Skeleton height={340} radius="lg" />
      <Skeleton height={340} radius="lg" />
    </SimpleGrid>
  );
}
