/** How near texts are to each other, each with each: the warmer, the nearer. */
import { ScrollArea, Stack, Text } from '@mantine/core';
import type { CSSProperties } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import classes from './results.module.css';

/** More would be neither seen nor read. */
const MOST = 40;
/** From this share of the accent on, dark letters can be read better than light ones. */
const WARM = 0.605;

interface HeatMapProps {
  matrix: number[][];
  texts: string[];
  vectors?: number[][];
}

export default function HeatMap({ matrix, texts, vectors }: HeatMapProps) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  const shown = matrix.slice(0, MOST);
  const size = shown.length;
  if (size < 2) return <Vector values={vectors?.[0] ?? []} />;
  return (
    <Stack gap="sm">
      <ScrollArea
        type="auto"
        offsetScrollbars="present"
        viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': t('result.heatMap') }}
      >
        <table className={classes.heatMap}>
          <thead>
            <tr>
              <td />
              {shown.map((_, at) => (
                <th key={at} scope="col" title={texts[at]}>
                  {at + 1}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, i) => (
              <tr key={i}>
                <th scope="row">
                  <span className={classes.heatMapRow}>
                    <span className={classes.number}>{i + 1}</span>
                    <span className={classes.heatMapText} title={texts[i]}>
                      {texts[i]}
                    </span>
                  </span>
                </th>
                {row.slice(0, MOST).map((value, j) => (
                  <Cell key={j} value={value} title={`${i + 1} × ${j + 1}`} text={format.number(value, 2)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
      <Text size="xs" c="dimmed">
        {t('result.heatMapHint')}{' '}
        {vectors ? t('result.vectors', { count: vectors.length, length: vectors[0]?.length ?? 0 }) : ''}
        {matrix.length > MOST && ` ${t('result.firstOnly', { count: MOST })}`}
      </Text>
    </Stack>
  );
}

function Cell({ value, title, text }: { value: number; title: string; text: string }) {
  const warmth = Math.min(1, Math.max(0, value));
  return (
    <td
      className={classes.cell}
      data-warm={warmth > WARM}
      style={{ '--warmth': `${(warmth * 100).toFixed(1)}%` } as CSSProperties}
      title={title}
    >
      {text}
    </td>
  );
}

/** One vector has nothing to be compared with: its numbers as bars. */
function Vector({ values }: { values: number[] }) {
  const { t } = useTranslation('playground');
  const most = Math.max(...values.map(Math.abs), Number.EPSILON);
  return (
    <Stack gap="xs">
      <svg
        viewBox={`0 0 ${values.length} 100`}
        preserveAspectRatio="none"
        className={classes.vector}
        role="img"
        aria-label={t('result.vector', { count: values.length })}
      >
        {values.map((value, at) => {
          const height = (Math.abs(value) / most) * 50;
          return <rect key={at} x={at} y={value > 0 ? 50 - height : 50} width={0.8} height={height} />;
        })}
      </svg>
      <Text size="xs" c="dimmed">
        {t('result.vector', { count: values.length })}
      </Text>
    </Stack>
  );
}
