/** A value as JSON, in colours. Long lists and texts are cut; copying and downloading give them whole. */
import { useTranslation } from 'react-i18next';
import { type Piece, piecesOf } from './pieces';
import classes from './json-view.module.css';

interface JsonViewProps {
  value: unknown;
  /** What it is, for those who do not see where it stands. */
  label: string;
}

export function JsonView({ value, label }: JsonViewProps) {
  const { t } = useTranslation();
  const text = (piece: Piece) =>
    piece.kind === 'more' ? t('json.more', { count: piece.count }) : piece.text;
  return (
    <pre className={classes.json} tabIndex={0} role="group" aria-label={label}>
      {piecesOf(value).map((piece, index) => (
        <span key={index} className={classes[piece.kind]}>
          {text(piece)}
        </span>
      ))}
    </pre>
  );
}
