/** A few minutes of a queue's depth as a curve. The numbers are beside it, so it is silent for screen readers. */
import classes from './queues.module.css';

const WIDTH = 120;
const HEIGHT = 28;

export function DepthCurve({ depths }: { depths: readonly number[] }) {
  if (depths.length < 2) return null;
  const most = Math.max(...depths, 1);
  const step = WIDTH / (depths.length - 1);
  const points = depths.map((depth, at) => `${at * step},${HEIGHT - 2 - (depth / most) * (HEIGHT - 4)}`);
  return (
    <svg className={classes.curve} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
      <polygon className={classes.area} points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline className={classes.line} points={points.join(' ')} />
    </svg>
  );
}
