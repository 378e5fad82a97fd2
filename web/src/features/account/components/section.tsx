/** A card with a heading of its own. */
import { Card, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

interface SectionProps {
  title: string;
  lead?: string;
  className?: string | undefined;
  children: ReactNode;
}

export function Section({ title, lead, className, children }: SectionProps) {
  return (
    <Card component="section" className={className}>
      <Stack gap="md">
        <div>
          <Title order={2} fz={18}>
            {title}
          </Title>
          {lead && (
            <Text size="sm" c="dimmed" mt={4}>
              {lead}
            </Text>
          )}
        </div>
        {children}
      </Stack>
    </Card>
  );
}
