/** A part of the guide; its heading can be linked to. */
import { Stack, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './guide.module.css';

export function Section({ id, title, children }: { id: string; title: string; children: ReactNode }) {
  return (
    <Stack component="section" gap="md">
      <Title order={2} id={id} fz={24} tabIndex={-1} className={classes.heading}>
        {title}
      </Title>
      {children}
    </Stack>
  );
}
