/** A number and what it is, inside of a `dl`. */
import { Text } from '@mantine/core';
import type { ReactNode } from 'react';

interface FigureProps {
  name: string;
  value: ReactNode;
  size?: 'sm' | 'lg';
}

export function Figure({ name, value, size = 'lg' }: FigureProps) {
  return (
    <>
      <Text component="dt" size="xs" c="dimmed">
        {name}
      </Text>
      <Text component="dd" m={0} fz={size} fw={600} className="tabular">
        {value}
      </Text>
    </>
  );
}
