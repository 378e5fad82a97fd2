/** Texts by how well they answer, the best first. */
import { useTranslation } from 'react-i18next';
import type { ResultOf } from '../../results/result-kind';
import { Bars } from './bars';

interface RankingProps {
  scores: ResultOf<'ranking'>['scores'];
  texts: string[];
}

export default function Ranking({ scores, texts }: RankingProps) {
  const { t } = useTranslation('playground');
  const bars = scores.map(({ index, score }) => ({ name: texts[index] ?? String(index + 1), score }));
  return <Bars label={t('result.ranking')} bars={bars} />;
}
