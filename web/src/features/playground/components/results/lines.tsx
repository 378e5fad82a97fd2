/** Lines of text, where they stand. */
import { Box } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import { useFormat } from '@/lib/use-format';
import type { ResultOf } from '../../results/result-kind';
import { Finds } from './finds';

interface LinesProps {
  data: ResultOf<'lines'>;
  image: string;
}

export default function Lines({ data: { lines }, image }: LinesProps) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return (
    <>
      <Finds
        image={image}
        summary={t('result.lines', { count: lines.length })}
        finds={lines.map(({ text, polygon, confidence }) => ({
          polygon,
          title: text,
          detail: format.percent(confidence, 0),
        }))}
      />
      <Box mt="md">
        <CopyButton value={lines.map(({ text }) => text).join('\n')} label={t('result.copyText')} />
      </Box>
    </>
  );
}
