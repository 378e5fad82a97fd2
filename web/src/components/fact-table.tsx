/** Names and values of one thing, row by row. */
import { Group, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { CopyButton } from './copy-button';

export function FactTable({ children }: { children: ReactNode }) {
  return (
    <Table variant="vertical" layout="fixed" verticalSpacing="xs" borderColor="var(--app-border)">
      <Table.Tbody>{children}</Table.Tbody>
    </Table>
  );
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w="38%" scope="row" fw={500}>
        {name}
      </Table.Th>
      <Table.Td>{children}</Table.Td>
    </Table.Tr>
  );
}

/** What nobody reads but to copy it. */
export function Identifier({ text }: { text: string }) {
  return (
    <Group gap={4} wrap="nowrap">
      <Text span size="xs" ff="monospace" truncate title={text}>
        {text}
      </Text>
      <CopyButton value={text} />
    </Group>
  );
}
