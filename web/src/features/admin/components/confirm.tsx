/** Asks before something is done that can't be taken back, or that others feel. */
import { Button, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ProblemAlert } from '@/components/problem-alert';
import { notifySuccess } from '@/lib/notify';
import { useMutation } from '@/lib/use-mutation';
import { Dialog } from './dialog';

export interface Question {
  title: string;
  text: ReactNode;
  /** What the button says. */
  action: string;
  danger?: boolean;
  /** Told when it was done. */
  done: string;
  run: () => Promise<unknown>;
}

/** `ask` opens the dialog; render `dialog` anywhere. */
export function useConfirm() {
  const [question, setQuestion] = useState<Question>();
  const [number, setNumber] = useState(0);
  const [opened, { open, close }] = useDisclosure();
  const ask = (next: Question) => {
    setQuestion(next);
    setNumber(number + 1);
    open();
  };
  const dialog = question && <Confirm key={number} question={question} opened={opened} onClose={close} />;
  return { ask, dialog };
}

interface ConfirmProps {
  question: Question;
  opened: boolean;
  onClose: () => void;
}

function Confirm({ question, opened, onClose }: ConfirmProps) {
  const { t } = useTranslation(['admin', 'common']);
  const doing = useMutation({
    mutationFn: question.run,
    onSuccess: () => {
      notifySuccess(question.done);
      onClose();
    },
  });
  return (
    <Dialog opened={opened} onClose={onClose} title={question.title}>
      <Stack>
        <Text component="div" size="sm">
          {question.text}
        </Text>
        <ProblemAlert error={doing.error} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common:action.cancel')}
          </Button>
          <Button
            color={question.danger ? 'red.8' : undefined}
            loading={doing.isPending}
            onClick={() => doing.mutate()}
          >
            {question.action}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
