/** The lamp and the name. */
import { Group, Text } from '@mantine/core';
import classes from './wordmark.module.css';

export function Lamp({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className={classes.lamp}>
      <path d="M10 9h12l2.5 13h-17z" className={classes.glass} />
      <path
        d="M16 12.5c2.6 2.4 3.6 4 3.6 5.6a3.6 3.6 0 0 1-7.2 0c0-1.6 1-3.2 3.6-5.6z"
        className={classes.flame}
      />
      <path d="M9 8h14M6.5 23h19M12 26.5h8M16 3.5V8" className={classes.frame} />
    </svg>
  );
}

export function Wordmark() {
  return (
    <Group gap={8} wrap="nowrap" component="span">
      <Lamp />
      <Text component="span" fw={700} className={classes.name}>
        Lamplighter
      </Text>
    </Group>
  );
}
