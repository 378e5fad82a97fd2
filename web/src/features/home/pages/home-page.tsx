/** What this is, on one screen. */
import { Container, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconActivity, IconKey, IconPlugConnected, IconStack2 } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { useDocumentTitle } from '@/components/page';
import { JobCard } from '../components/job-card';
import { WaysIn } from '../components/ways-in';
import classes from '../components/home.module.css';

const points = [
  { key: 'queue', icon: IconStack2 },
  { key: 'live', icon: IconActivity },
  { key: 'access', icon: IconKey },
  { key: 'api', icon: IconPlugConnected },
] as const;

export function HomePage() {
  const { t } = useTranslation('home');
  useDocumentTitle(t('title'));
  return (
    <Container size="xl" px={{ base: 'md', sm: 'lg' }} className={classes.page}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing={{ base: 36, md: 56 }} className={classes.hero}>
        <Stack gap="lg" align="flex-start" justify="center">
          <Title order={1} className={classes.headline}>
            {t('headline')}
          </Title>
          <Text fz={{ base: 16, sm: 18 }} c="dimmed" maw={520} lh={1.6}>
            {t('lead')}
          </Text>
          <WaysIn />
        </Stack>
        <JobCard />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="xl" component="ul" className={classes.points}>
        {points.map(({ key, icon: Icon }) => (
          <li key={key}>
            <Icon size={24} stroke={1.6} className={classes.icon} aria-hidden />
            <Text component="h2" fw={650} fz={16} className={classes.point}>
              {t(`point.${key}.title`)}
            </Text>
            <Text size="sm" c="dimmed" lh={1.6}>
              {t(`point.${key}.text`)}
            </Text>
          </li>
        ))}
      </SimpleGrid>
    </Container>
  );
}
