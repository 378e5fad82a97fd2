/** What a task is called; one that is not known yet goes by its own name. */
import { useTranslation } from 'react-i18next';

export function useTaskName() {
  const { t, i18n } = useTranslation();
  return (task: string): string => {
    // Names come from the server: keys that the compiler can't know.
    const key = `task.${task}`;
    return i18n.exists(key, { ns: 'common' }) ? t(key as 'task.chat') : task;
  };
}
