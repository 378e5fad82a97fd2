/** The frame of the small pages around the login: a card in the middle. */
import { Card, Container, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Lamp } from '@/components/wordmark';
import { useDocumentTitle } from '@/components/page';

interface FormPageProps {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
  /** Below the card: where else to go. */
  footer?: ReactNode;
}

export function FormPage({ title, lead, children, footer }: FormPageProps) {
  useDocumentTitle(title);
  return (
    <Container size={440} px="md" py={{ base: 'xl', sm: 64 }}>
      <Stack gap="lg">
        <Stack align="center" gap="xs" ta="center">
          <Lamp size={44} />
          <Title order={1} fz={26}>
            {title}
          </Title>
          {lead && (
            <Text c="dimmed" size="sm">
              {lead}
            </Text>
          )}
        </Stack>
        <Card padding="xl">{children}</Card>
        {footer && (
          <Text size="sm" ta="center" c="dimmed" component="div">
            {footer}
          </Text>
        )}
      </Stack>
    </Container>
  );
}
