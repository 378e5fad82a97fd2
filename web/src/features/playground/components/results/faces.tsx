/** Faces with eyes, nose and mouth. */
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import type { ResultOf } from '../../results/result-kind';
import { Finds } from './finds';
import classes from './results.module.css';

interface FacesProps {
  data: ResultOf<'faces'>;
  image: string;
}

export default function Faces({ data: { boxes }, image }: FacesProps) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return (
    <Finds
      image={image}
      summary={t('result.faces', { count: boxes.length })}
      finds={boxes.map(({ polygon, score, landmarks }, at) => ({
        polygon,
        title: t('result.face', { number: at + 1 }),
        detail: format.percent(score),
        marks: (unit) =>
          landmarks.map(([x, y], i) => (
            <circle key={i} cx={x} cy={y} r={unit * 2.4} className={classes.landmark} />
          )),
      }))}
    />
  );
}
