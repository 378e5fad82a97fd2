/** A small table of the guide; it scrolls inside of its own box. */
import type { ReactNode } from 'react';
import classes from './guide.module.css';

interface PlainTableProps {
  label: string;
  head: readonly string[];
  /** The first cell of a row is its heading. */
  rows: readonly (readonly [key: string, ...cells: ReactNode[]])[];
}

export function PlainTable({ label, head, rows }: PlainTableProps) {
  return (
    <div className={classes.box} role="region" aria-label={label} tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([key, first, ...cells]) => (
            <tr key={key}>
              <th scope="row">{first}</th>
              {cells.map((cell, at) => (
                <td key={head[at + 1] ?? at}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
