/** The fields of an input or an output. */
import { Code, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type Field, fieldsOf } from '../schema/fields';
import { Marked } from './marked';
import { PlainTable } from './plain-table';

interface FieldTableProps {
  schema: unknown;
  label: string;
  /** Whether they are sent: then it matters which must be there, and what holds without them. */
  input?: boolean;
}

export function FieldTable({ schema, label, input = false }: FieldTableProps) {
  const { t, i18n } = useTranslation(['docs', 'schema']);
  const fields = fieldsOf(schema);
  if (fields.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('docs:field.any')}
      </Text>
    );
  }
  const hint = ({ name, description }: Field) => {
    // The server says it in English; where the app has words for the field, they are in the reader's language.
    const key = `${name}.hint`;
    const ours = input && i18n.exists(key, { ns: 'schema' });
    return ours ? t(`schema:${key}` as 'schema:prefix.hint') : description;
  };
  return (
    <PlainTable
      label={label}
      head={[t('docs:field.name'), t('docs:field.type'), t('docs:field.meaning')]}
      rows={fields.map((field) => [
        field.name,
        <Group key="name" gap={8} wrap="nowrap">
          <Code>{field.name}</Code>
          {input && field.required && (
            <Text span size="xs" c="dimmed">
              {t('docs:field.required')}
            </Text>
          )}
        </Group>,
        <Text key="type" span size="sm" c="dimmed">
          {field.type}
        </Text>,
        <>
          <Marked text={hint(field) ?? ''} />
          {input && field.usual !== undefined && (
            <Text span size="sm" c="dimmed">
              {hint(field) && ' '}
              {t('docs:field.usual')} <Code>{field.usual}</Code>
            </Text>
          )}
        </>,
      ])}
    />
  );
}
