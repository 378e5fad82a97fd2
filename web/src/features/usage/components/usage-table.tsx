/** The same as the chart in numbers, the latest first; for whoever reads better than they look. */
import { ScrollArea, Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { UsageChartProps } from './usage-chart';

export function UsageTable({ shares, steps, nameOf, stepName, format }: UsageChartProps) {
  const { t } = useTranslation('usage');
  const used = steps.filter(({ values }) => values.some((value) => value > 0)).toReversed();
  return (
    <ScrollArea.Autosize mah={320} type="auto">
      <Table className="tabular" stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('chart.step')}</Table.Th>
            {shares.map(({ key }) => (
              <Table.Th key={key ?? 'rest'} ta="right">
                {nameOf(key)}
              </Table.Th>
            ))}
            <Table.Th ta="right">{t('chart.sum')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {used.map(({ at, values }) => (
            <Table.Tr key={at}>
              <Table.Th scope="row" fw={500}>
                {stepName(at)}
              </Table.Th>
              {values.map((value, place) => (
                <Table.Td key={place} ta="right">
                  {format(value)}
                </Table.Td>
              ))}
              <Table.Td ta="right" fw={600}>
                {format(values.reduce((sum, value) => sum + value, 0))}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea.Autosize>
  );
}
