/** Whether a model is there: a light and a word, never the colour alone. */
import { useTranslation } from 'react-i18next';
import type { ModelStatus } from '@/api/generated';
import classes from './model.module.css';

const GLOW: Record<ModelStatus, 'on' | 'soon' | 'off'> = {
  ready: 'on',
  unloaded: 'on',
  loading: 'soon',
  fetching: 'soon',
  offline: 'off',
  failed: 'off',
  disabled: 'off',
};

export function Light({ status }: { status: ModelStatus }) {
  const { t } = useTranslation('playground');
  return (
    <span className={classes.light} data-glow={GLOW[status]}>
      {t(`model.status.${status}`)}
    </span>
  );
}
