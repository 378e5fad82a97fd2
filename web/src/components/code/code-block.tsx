/** Code to read and to copy. Long lines scroll inside of it. */
import { useTranslation } from 'react-i18next';
import { CopyButton } from '../copy-button';
import classes from './code.module.css';
import { useHighlight } from './use-highlight';

interface CodeBlockProps {
  code: string;
  language: 'bash' | 'json' | 'python' | 'rust' | 'typescript';
  /** What it shows, for screen readers. */
  label?: string;
}

export function CodeBlock({ code, language, label }: CodeBlockProps) {
  const { t } = useTranslation();
  const html = useHighlight(code, language);
  return (
    <div className={classes.block}>
      <pre
        className={classes.code}
        role="region"
        tabIndex={0}
        aria-label={label ?? t('code.label')}
        lang="en"
        translate="no"
      >
        {html === undefined ? <code>{code}</code> : <code dangerouslySetInnerHTML={{ __html: html }} />}
      </pre>
      <div className={classes.copy}>
        <CopyButton value={code} />
      </div>
    </div>
  );
}
