/** Other places that one logs in at: linked ones, and those that can be linked. */
import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { deleteIdentity, type Identity } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { paths, serverPaths } from '@/config/paths';
import { useFormat } from '@/lib/use-format';
import { useMutation } from '@/lib/use-mutation';
import { accountQuery } from '../api/get-account';
import { providersQuery } from '../api/list-providers';
import classes from './account.module.css';
import { Section } from './section';

export function Identities({ identities }: { identities: Identity[] }) {
  const { t } = useTranslation('account');
  const format = useFormat();
  const queryClient = useQueryClient();
  const { data: providers = [] } = useQuery(providersQuery);
  const unlink = useMutation({
    mutationFn: (id: string) => deleteIdentity({ path: { id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: accountQuery.queryKey }),
  });
  if (identities.length === 0 && providers.length === 0) return null;
  return (
    <Section title={t('security.identities')} lead={t('security.identitiesLead')}>
      <ProblemAlert error={unlink.error} />
      <ul className={classes.sessions}>
        {identities.map(({ id, issuer, email, created_at }) => (
          <li key={id} className={classes.session}>
            <Stack gap={0} flex={1} miw={0}>
              <Text fw={600} truncate>
                {issuer}
              </Text>
              <Text size="sm" c="dimmed">
                {email} {t('security.linkedAt', { time: format.date(created_at) })}
              </Text>
            </Stack>
            <Button variant="default" size="xs" loading={unlink.isPending} onClick={() => unlink.mutate(id)}>
              {t('security.unlink')}
            </Button>
          </li>
        ))}
      </ul>
      <Group>
        {providers.map(({ id, name }) => (
          <Button
            key={id}
            component="a"
            variant="default"
            href={serverPaths.provider(id, paths.security, true)}
          >
            {t('security.link', { name })}
          </Button>
        ))}
      </Group>
    </Section>
  );
}
