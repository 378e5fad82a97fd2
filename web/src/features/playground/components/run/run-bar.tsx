/** Run, cancel, and what else can be done with the input. */
import { Button, Group, Kbd, Text } from '@mantine/core';
import {
  IconBulb,
  IconCheck,
  IconPlayerPlayFilled,
  IconPlayerStopFilled,
  IconShare2,
} from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { type Shared, useShare } from '../../share/use-share';
import type { RunControl } from './use-run';

interface RunBarProps {
  control: RunControl;
  disabled: boolean;
  onExample: () => void;
  draft: () => Shared | undefined;
}

export function RunBar({ control, disabled, onExample, draft }: RunBarProps) {
  const { t } = useTranslation('playground');
  const { share, shared, refused, partly } = useShare(draft);
  return (
    <Group gap="sm" justify="space-between">
      <Group gap="sm">
        {control.busy ? (
          <Button
            color="gray"
            variant="default"
            leftSection={<IconPlayerStopFilled size={16} />}
            loading={control.canceling}
            disabled={control.run === undefined}
            onClick={control.cancel}
          >
            {t('run.cancel')}
          </Button>
        ) : (
          <>
            <Button type="submit" leftSection={<IconPlayerPlayFilled size={16} />} disabled={disabled}>
              {t('run.run')}
            </Button>
            <Text size="xs" c="dimmed" visibleFrom="sm" aria-hidden>
              <Kbd>Ctrl</Kbd> + <Kbd>Enter</Kbd>
            </Text>
          </>
        )}
      </Group>
      <Group gap={4}>
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          leftSection={<IconBulb size={16} />}
          onClick={onExample}
        >
          {t('run.example')}
        </Button>
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          leftSection={shared ? <IconCheck size={16} /> : <IconShare2 size={16} />}
          onClick={() => void share()}
        >
          {shared ? t('run.shared') : t('run.share')}
        </Button>
      </Group>
      <Text size="xs" c="dimmed" role="status" w="100%" hidden={!partly && !refused}>
        {[refused && t('run.notCopied'), partly && t('run.sharedPartly')].filter(Boolean).join(' ')}
      </Text>
    </Group>
  );
}
