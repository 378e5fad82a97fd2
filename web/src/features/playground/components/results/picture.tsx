/** A picture with what was found drawn on it. Places are pixels of the picture as it is shown. */
import { type ReactNode, useState } from 'react';
import classes from './results.module.css';

export type Point = readonly [number, number];

interface PictureProps {
  src: string;
  alt: string;
  /** Drawn over the picture; `unit` is a line's width that looks the same on small and large ones. */
  children: (unit: number) => ReactNode;
}

export function Picture({ src, alt, children }: PictureProps) {
  const [size, setSize] = useState<{ width: number; height: number }>();
  return (
    <div className={classes.picture}>
      <img
        src={src}
        alt={alt}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
          setSize({ width: naturalWidth, height: naturalHeight })
        }
      />
      {size && (
        <svg viewBox={`0 0 ${size.width} ${size.height}`} className={classes.overlay} aria-hidden>
          {children(Math.max(size.width, size.height) / 400)}
        </svg>
      )}
    </div>
  );
}

interface OutlineProps {
  polygon: readonly Point[];
  unit: number;
  tag: string;
  active: boolean;
  onPoint: (over: boolean) => void;
}

/** A polygon with a number at its first corner. */
export function Outline({ polygon, unit, tag, active, onPoint }: OutlineProps) {
  const [x, y] = polygon[0] ?? [0, 0];
  const height = unit * 13;
  const width = unit * (7 + 7 * tag.length);
  const top = Math.max(0, y - height);
  return (
    <g
      className={classes.outline}
      data-active={active}
      onMouseEnter={() => onPoint(true)}
      onMouseLeave={() => onPoint(false)}
    >
      <polygon
        points={polygon.map((point) => point.join(',')).join(' ')}
        strokeWidth={unit * (active ? 2.6 : 1.8)}
      />
      <rect x={x} y={top} width={width} height={height} rx={unit * 2} />
      <text x={x + width / 2} y={top + height * 0.76} fontSize={unit * 10}>
        {tag}
      </text>
    </g>
  );
}
