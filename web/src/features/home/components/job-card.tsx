/** The way of a job at a glance: asked, queued, computed, answered. */
import { useTranslation } from 'react-i18next';
import classes from './home.module.css';

const request = `POST /v1/jobs
{
  "model": "minilm",
  "task": "similarity",
  "input": { "texts": [
    "A cat sits on the mat.",
    "A kitten is on a rug."
  ] }
}`;

const steps = ['queued', 'processing', 'succeeded'] as const;

export function JobCard() {
  const { t } = useTranslation('home');
  return (
    <figure className={classes.card}>
      <figcaption className={classes.caption}>{t('job.caption')}</figcaption>
      <pre className={classes.request} tabIndex={0}>
        {request}
      </pre>
      <ol className={classes.steps}>
        {steps.map((step) => (
          <li key={step} data-step={step}>
            <span className={classes.stepName}>{t(`job.${step}.name`)}</span>
            <span className={classes.stepText}>{t(`job.${step}.text`)}</span>
          </li>
        ))}
      </ol>
    </figure>
  );
}
