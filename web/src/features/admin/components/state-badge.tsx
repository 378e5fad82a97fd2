/** A state in a word, with a colour beside it that says the same. */
import { Group, type MantineColor, Text } from '@mantine/core';
import classes from './state-badge.module.css';

export function StateBadge({ color, children }: { color: MantineColor; children: string }) {
  return (
    <Group component="span" display="inline-flex" gap={7} wrap="nowrap">
      <Text span c={`${color}.6`} className={classes.dot} aria-hidden />
      <Text span size="sm" fw={500} className={classes.word}>
        {children}
      </Text>
    </Group>
  );
}
