/** An output as it is. Long ones are cut: a browser should not stand still for them. */
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import classes from './results.module.css';

const MOST = 60_000;

export function JsonView({ value }: { value: unknown }) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  const text = JSON.stringify(value, undefined, 2);
  return (
    <>
      <pre className={classes.json} tabIndex={0} aria-label="JSON">
        {text.slice(0, MOST)}
      </pre>
      {text.length > MOST && (
        <Text size="xs" c="dimmed" mt={6}>
          {t('result.cut', { size: format.bytes(text.length) })}
        </Text>
      )}
    </>
  );
}
