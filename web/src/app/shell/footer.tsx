/** The last line of a page. */
import { Anchor, Container, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { serverPaths } from '@/config/paths';
import classes from './shell.module.css';

export function Footer() {
  const { t } = useTranslation();
  return (
    <footer className={classes.footer}>
      <Container size="xl" px={{ base: 'md', sm: 'lg' }}>
        <Group justify="space-between" gap="sm">
          <Text size="sm" c="dimmed">
            {t('shell.tagline')}
          </Text>
          <Group gap="lg">
            <Anchor size="sm" c="dimmed" href={serverPaths.reference}>
              {t('nav.reference')}
            </Anchor>
            <Anchor size="sm" c="dimmed" href={serverPaths.openapi}>
              OpenAPI
            </Anchor>
          </Group>
        </Group>
      </Container>
    </footer>
  );
}
