/** Bars over time. In a file of its own: the chart library is loaded only where one is shown. */
import '@mantine/charts/styles.css';
import { BarChart } from '@mantine/charts';
import type { Share, Step } from '../series/series';
import { colorOf } from './colors';

export interface UsageChartProps {
  shares: readonly Share[];
  steps: readonly Step[];
  nameOf: (key: string | undefined) => string;
  stepName: (at: number) => string;
  format: (value: number) => string;
}

// Names may have dots, which the library reads as paths; so the series are numbered.
const field = (place: number) => `s${place}`;

export function UsageChart({ shares, steps, nameOf, stepName, format }: UsageChartProps) {
  const data = steps.map(({ at, values }) => ({
    at: stepName(at),
    ...Object.fromEntries(values.map((value, place) => [field(place), value])),
  }));
  const series = shares.map(({ key }, place) => ({
    name: field(place),
    label: nameOf(key),
    color: colorOf(place, key),
  }));
  return (
    <BarChart
      h={280}
      data={data}
      dataKey="at"
      type="stacked"
      series={series}
      valueFormatter={format}
      withLegend
      tickLine="none"
      maxBarWidth={36}
      barChartProps={{ accessibilityLayer: false }}
      xAxisProps={{ minTickGap: 24 }}
      yAxisProps={{ width: 64, allowDecimals: false }}
    />
  );
}
