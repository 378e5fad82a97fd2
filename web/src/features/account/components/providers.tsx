/** Ways in at other places, where the installation has any. */
import { Button, Divider, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconLogin2 } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { serverPaths } from '@/config/paths';
import { providersQuery } from '../api/list-providers';

export function Providers({ returnTo }: { returnTo: string }) {
  const { t } = useTranslation('account');
  const { data = [] } = useQuery(providersQuery);
  if (data.length === 0) return null;
  return (
    <Stack gap="sm">
      <Divider label={t('login.or')} />
      {data.map(({ id, name }) => (
        <Button
          key={id}
          component="a"
          href={serverPaths.provider(id, returnTo)}
          variant="default"
          leftSection={<IconLogin2 size={18} />}
        >
          {t('login.with', { name })}
        </Button>
      ))}
    </Stack>
  );
}
