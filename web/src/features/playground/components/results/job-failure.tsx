/** Why a job failed. */
import { Alert, Code, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { JobFailure as Failure } from '@/api/generated';

export function JobFailure({ failure }: { failure: Failure }) {
  const { t } = useTranslation('playground');
  return (
    <Alert color="red" role="alert" icon={<IconAlertTriangle />} title={failure.title}>
      <Text size="sm">{failure.detail}</Text>
      <Text size="xs" c="dimmed" mt={6}>
        <Code>{failure.type}</Code> {failure.retryable ? t('result.retryable') : ''}
      </Text>
    </Alert>
  );
}
