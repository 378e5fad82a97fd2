/** A new token in the place of one, and how long the old one goes on. */
import { Button, Group, Modal, NativeSelect, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { ProblemAlert } from '@/components/problem-alert';
import { useRotateToken } from '../api/rotate-token';
import { type Preset, presets } from '../expiry/expiry';
import { NewSecret } from './new-secret';
import classes from './title.module.css';

const NONE = 'none';
const SAME = 'same';
const overlaps = ['none', 'hour', 'day', 'week'] as const;
const lengths = Object.keys(presets) as Preset[];

export function RotateToken({ token, onClose }: { token: Token; onClose: () => void }) {
  const { t } = useTranslation(['tokens', 'common']);
  const rotate = useRotateToken(token.id);
  const [overlap, setOverlap] = useState<(typeof overlaps)[number]>(NONE);
  const [length, setLength] = useState<Preset | typeof SAME>(SAME);
  const secret = rotate.data?.token;
  // The text is made before it is here: it is lost with the window as soon as it was asked for.
  const held = rotate.isPending || Boolean(secret);
  const submit = () =>
    rotate.mutate({
      overlap_seconds: overlap === NONE ? undefined : presets[overlap],
      expires_in_seconds: length === SAME ? undefined : presets[length],
    });
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={secret ? t('secret.title') : t('rotate.title', { name: token.name })}
      classNames={classes}
      closeOnClickOutside={!held}
      closeOnEscape={!held}
      withCloseButton={!held}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      attributes={{ header: { role: 'presentation' } }}
    >
      {secret ? (
        <NewSecret name={token.name} secret={secret} overlap={overlap !== NONE} onDone={onClose} />
      ) : (
        <Stack>
          <Text size="sm">{t('rotate.text')}</Text>
          <NativeSelect
            label={t('rotate.overlap')}
            value={overlap}
            onChange={(event) => setOverlap(event.currentTarget.value as typeof overlap)}
            data={overlaps.map((value) => ({ value, label: t(`rotate.${value}`) }))}
          />
          <NativeSelect
            label={t('rotate.expiry')}
            value={length}
            onChange={(event) => setLength(event.currentTarget.value as typeof length)}
            data={[
              { value: SAME, label: t('rotate.same') },
              ...lengths.map((value) => ({ value, label: t(`expiry.${value}`) })),
            ]}
          />
          <ProblemAlert error={rotate.error} />
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose} disabled={rotate.isPending}>
              {t('common:action.cancel')}
            </Button>
            <Button loading={rotate.isPending} onClick={submit}>
              {t('rotate.submit')}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
