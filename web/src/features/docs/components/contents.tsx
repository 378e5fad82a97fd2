/** What is on the page. Beside it where there is room. */
import { useTranslation } from 'react-i18next';
import classes from './guide.module.css';

export const sectionIds = [
  'start',
  'models',
  'auth',
  'streaming',
  'repeating',
  'errors',
  'limits',
  'more',
] as const;

export function Contents() {
  const { t } = useTranslation('docs');
  return (
    <nav aria-label={t('contents')} className={classes.contents}>
      <ul>
        {sectionIds.map((id) => (
          <li key={id}>
            <a href={`#${id}`}>{t(`section.${id}`)}</a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
