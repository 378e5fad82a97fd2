/** Labels and how sure the model is of each, the surest first; beside what they are of. */
import { Image, SimpleGrid, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Labels } from '../../results/result-kind';
import { Bars } from './bars';

interface LabelBarsProps {
  groups: { text?: string | undefined; labels: Labels }[];
  image?: string;
}

export default function LabelBars({ groups, image }: LabelBarsProps) {
  const { t } = useTranslation('playground');
  const bars = (
    <Stack gap="xl">
      {groups.map(({ text, labels }, at) => (
        <Stack key={at} gap="sm">
          {text && (
            <Text size="sm" fw={600} lineClamp={3}>
              {text}
            </Text>
          )}
          <Bars
            label={text ?? t('result.labels')}
            bars={labels.map(({ label, score }) => ({ name: label, score }))}
          />
        </Stack>
      ))}
    </Stack>
  );
  if (!image) return bars;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="lg">
      <Image src={image} alt={t('media.image.chosen')} radius="md" fit="contain" mah={360} />
      {bars}
    </SimpleGrid>
  );
}
