/** What the machine readable zone of a document says. */
import { Badge, Group, Image, Stack, Table, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { ResultOf } from '../../results/result-kind';
import classes from './results.module.css';

/** As documents have them; whatever else there is comes after. */
const ORDER = [
  'document_code',
  'issuing_state',
  'surname',
  'given_names',
  'document_number',
  'nationality',
  'birth_date',
  'sex',
  'expiry_date',
  'optional_data',
  'optional_data_2',
];

const rank = (field: string) => (ORDER.includes(field) ? ORDER.indexOf(field) : ORDER.length);

interface MrzProps {
  data: ResultOf<'mrz'>;
  image: string;
}

export default function Mrz({ data, image }: MrzProps) {
  const { t, i18n } = useTranslation('playground');
  const nameOf = (field: string) => {
    // Names come from the server: keys that the compiler can't know.
    const key = `mrz.field.${field}`;
    return i18n.exists(key, { ns: 'playground' }) ? t(key as 'mrz.field.surname') : field;
  };
  const fields = Object.entries(data.fields).sort(([a], [b]) => rank(a) - rank(b));
  return (
    <Stack gap="md">
      {image && <Image src={image} alt={t('media.image.chosen')} radius="md" fit="contain" mah={240} />}
      {data.type === null ? (
        <Text>{t('mrz.none')}</Text>
      ) : (
        <>
          <Group gap="sm">
            <Badge variant="default">{data.type}</Badge>
            <Badge variant="light" color={data.valid ? 'teal' : 'red'} tt="none">
              {data.valid ? t('mrz.valid') : t('mrz.invalid')}
            </Badge>
          </Group>
          <pre className={classes.zone} tabIndex={0}>
            {data.mrz.join('\n')}
          </pre>
          <Table>
            <Table.Tbody>
              {fields.map(([field, value]) => (
                <Table.Tr key={field}>
                  <Table.Th scope="row" fw={500}>
                    {nameOf(field)}
                  </Table.Th>
                  <Table.Td className="tabular">{value ?? '–'}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </>
      )}
    </Stack>
  );
}
