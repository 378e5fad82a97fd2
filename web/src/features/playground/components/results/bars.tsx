/** Names with a number from 0 to 1, as bars. */
import { useFormat } from '@/lib/use-format';
import classes from './results.module.css';

interface BarsProps {
  label: string;
  bars: { name: string; score: number }[];
}

export function Bars({ label, bars }: BarsProps) {
  const format = useFormat();
  return (
    <ol className={classes.bars} aria-label={label}>
      {bars.map(({ name, score }, at) => (
        <li key={at} data-first={at === 0}>
          <span className={classes.barName}>{name}</span>
          <span className={`${classes.barValue} tabular`}>{format.percent(score)}</span>
          <span className={classes.track} aria-hidden>
            <span className={classes.bar} style={{ width: `${Math.max(0.5, score * 100)}%` }} />
          </span>
        </li>
      ))}
    </ol>
  );
}
