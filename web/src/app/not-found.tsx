/** 404. */
import { Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { LinkButton } from '@/components/link';
import { Page } from '@/components/page';
import { paths } from '@/config/paths';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Page title={t('notFound.title')} size="sm">
      <Stack align="flex-start">
        <Text c="dimmed">{t('notFound.text')}</Text>
        <LinkButton to={paths.home}>{t('notFound.home')}</LinkButton>
      </Stack>
    </Page>
  );
}
