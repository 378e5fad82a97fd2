/** The fields of an input or an output. */
import { Code, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Marked } from '@/components/marked';
import { fieldsOf } from '../schema/fields';
import { PlainTable } from './plain-table';

interface FieldTableProps {
  schema: unknown;
  label: string;
  /** Whether they are sent: then it matters which must be there, and what holds without them. */
  input?: boolean;
}

export function FieldTable({ schema, label, input = false }: FieldTableProps) {
  const { t } = useTranslation('docs');
  const fields = fieldsOf(schema);
  if (fields.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('field.any')}
      </Text>
    );
  }
  return (
    <PlainTable
      label={label}
      head={[t('field.name'), t('field.type'), t('field.meaning')]}
      rows={fields.map((field) => [
        field.name,
        <Group key="name" gap={8} wrap="nowrap">
          <Code>{field.name}</Code>
          {input && field.required && (
            <Text span size="xs" c="dimmed">
              {t('field.required')}
            </Text>
          )}
        </Group>,
        <Text key="type" span size="sm" c="dimmed">
          {field.type}
        </Text>,
        <>
          <Marked text={field.description ?? ''} />
          {input && field.usual !== undefined && (
            <Text span size="sm" c="dimmed">
              {field.description && ' '}
              {t('field.usual')} <Code>{field.usual}</Code>
            </Text>
          )}
        </>,
      ])}
    />
  );
}
