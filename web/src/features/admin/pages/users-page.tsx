/** Accounts and invitations. */
import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { paths } from '@/config/paths';
import type { UserFilters } from '../api/list-users';
import { AdminPage } from '../components/admin-page';
import { useStaying } from '../components/use-staying';
import { Invitations } from '../components/users/invitations';
import { People } from '../components/users/people';

const route = getRouteApi(paths.adminUsers);

export function UsersPage() {
  const { t } = useTranslation('admin');
  const { view = 'people', ...filters } = route.useSearch();
  const navigate = route.useNavigate();
  const show = (next: string | null) =>
    void navigate({ search: next === 'invitations' ? { view: 'invitations' } : {}, resetScroll: false });
  const staying = useStaying();
  const filter = (next: UserFilters) => {
    if (staying()) void navigate({ search: next, replace: true, resetScroll: false });
  };
  return (
    <AdminPage title={t('user.title')} lead={t('user.lead')}>
      <Tabs value={view} onChange={show} keepMounted={false} variant="pills" radius="xl">
        <Tabs.List mb="lg">
          <Tabs.Tab value="people">{t('user.people')}</Tabs.Tab>
          <Tabs.Tab value="invitations">{t('invitation.title')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people">
          <People filters={filters} onFilter={filter} />
        </Tabs.Panel>
        <Tabs.Panel value="invitations">
          <Invitations />
        </Tabs.Panel>
      </Tabs>
    </AdminPage>
  );
}
