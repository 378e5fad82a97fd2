/** A bar for each day. Drawn by hand: a chart library would weigh more than the page. */
import type { Day } from '../series/daily';
import classes from './day-bars.module.css';

interface DayBarsProps {
  days: readonly Day[];
  /** What the bars say, in words. */
  label: string;
  height?: number;
  /** The word for one bar, shown where the pointer rests. */
  describe?: (day: Day) => string;
}

const STEP = 4;
const BAR = 3;
/** So that one job among thousands is still seen. */
const LEAST = 2;

export function DayBars({ days, label, height = 24, describe }: DayBarsProps) {
  const most = Math.max(1, ...days.map(({ jobs }) => jobs));
  return (
    <svg
      className={classes.bars}
      viewBox={`0 0 ${days.length * STEP - (STEP - BAR)} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={label}
    >
      {days.map((day, index) => {
        const tall = day.jobs === 0 ? 1 : Math.max(LEAST, (day.jobs / most) * height);
        return (
          <rect
            key={day.at}
            x={index * STEP}
            y={height - tall}
            width={BAR}
            height={tall}
            rx={0.8}
            className={day.jobs === 0 ? classes.none : classes.some}
          >
            {describe && <title>{describe(day)}</title>}
          </rect>
        );
      })}
    </svg>
  );
}
