/** What a task is called; one that is not known yet goes by its own name. */
import { useTranslation } from 'react-i18next';

const tasks = [
  'text-embedding',
  'similarity',
  'zero-shot-classification',
  'rerank',
  'text-classification',
  'chat',
  'text-generation',
  'speech-to-text',
  'voice-activity',
  'image-classification',
  'face-detection',
  'ocr',
  'mrz',
  'echo',
] as const;

export function useTaskName() {
  const { t } = useTranslation('docs');
  return (name: string): string => {
    const known = tasks.find((task) => task === name);
    return known ? t(`task.${known}`) : name;
  };
}
