/** Which of the model's tasks; nothing to choose where it has one. */
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useTaskName } from '@/lib/use-task-name';
import classes from './model.module.css';

interface TaskTabsProps {
  tasks: string[];
  current: string;
  onPick: (task: string) => void;
}

export function TaskTabs({ tasks, current, onPick }: TaskTabsProps) {
  const { t } = useTranslation('playground');
  const taskName = useTaskName();
  if (tasks.length < 2) return null;
  return (
    <div className={classes.tasks} role="group" aria-label={t('model.task')}>
      {tasks.map((task) => (
        <Button
          key={task}
          size="compact-md"
          radius="xl"
          px="md"
          variant={task === current ? 'filled' : 'default'}
          aria-pressed={task === current}
          onClick={() => onPick(task)}
        >
          {taskName(task)}
        </Button>
      ))}
    </div>
  );
}
