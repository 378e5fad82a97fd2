/** A picture and the list of what was found on it; pointing at one shows the other. */
import { SimpleGrid, Stack, Text } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Outline, Picture, type Point } from './picture';
import classes from './results.module.css';

export interface Find {
  polygon: readonly Point[];
  /** More to draw than the outline. */
  marks?: (unit: number) => ReactNode;
  title: string;
  detail: string;
}

interface FindsProps {
  image: string;
  finds: Find[];
  summary: string;
}

export function Finds({ image, finds, summary }: FindsProps) {
  const { t } = useTranslation('playground');
  const [active, setActive] = useState<number>();
  const point = (at: number) => (over: boolean) => setActive(over ? at : undefined);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
      <Picture src={image} alt={t('media.image.chosen')}>
        {(unit) =>
          finds.map(({ polygon, marks }, at) => (
            <g key={at}>
              <Outline
                polygon={polygon}
                unit={unit}
                tag={String(at + 1)}
                active={active === at}
                onPoint={point(at)}
              />
              {marks?.(unit)}
            </g>
          ))
        }
      </Picture>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {summary}
        </Text>
        <ol className={classes.finds}>
          {finds.map(({ title, detail }, at) => (
            <li
              key={at}
              data-active={active === at}
              onMouseEnter={() => setActive(at)}
              onMouseLeave={() => setActive(undefined)}
            >
              <span className={classes.number}>{at + 1}</span>
              <span className={classes.findTitle}>{title}</span>
              <span className={`${classes.findDetail} tabular`}>{detail}</span>
            </li>
          ))}
        </ol>
      </Stack>
    </SimpleGrid>
  );
}
