/** A picture or a sound: dropped, chosen, or pasted. Its code is loaded when a task needs it. */
import '@mantine/dropzone/styles.css';
import { Button, Group, Image, Input, Stack, Text } from '@mantine/core';
import { Dropzone } from '@mantine/dropzone';
import { IconMicrophone, IconPhoto, IconX } from '@tabler/icons-react';
import { useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import { textOf } from '../../schema/values';
import type { FieldProps } from './field-props';
import classes from './form.module.css';
import { usePastedFile } from './use-pasted-file';

const TYPES = {
  image: ['image/png', 'image/jpeg', 'image/webp'],
  audio: ['audio/wav', 'audio/x-wav', 'audio/mpeg', 'audio/flac', 'audio/x-flac', 'audio/ogg'],
};

export default function MediaField({ field, label, hint, value, onChange, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const format = useFormat();
  const labelId = useId();
  const [refused, setRefused] = useState<string>();
  const kind = field.kind === 'audio' ? 'audio' : 'image';
  const most = Math.floor(((field.schema.maxLength ?? Infinity) * 3) / 4);
  const url = textOf(value);

  const take = (file: File | undefined) => {
    if (!file) return;
    setRefused(undefined);
    // What is pasted has passed no choice of types.
    if (!TYPES[kind].includes(file.type)) {
      setRefused(t(`media.${kind}.refused`));
      return;
    }
    if (file.size > most) {
      setRefused(t('fault.mediaTooLarge', { limit: format.bytes(most) }));
      return;
    }
    readDataUrl(file).then(onChange, () => setRefused(t('media.unreadable')));
  };
  usePastedFile(kind, take);

  return (
    <Input.Wrapper
      label={label}
      labelProps={{ id: labelId }}
      labelElement="div"
      description={hint}
      error={refused ?? errorIn()}
      withAsterisk={field.required}
    >
      <Stack gap="xs" mt={6}>
        <Dropzone
          // Told together: of two that would do, the first would be taken and the other left out.
          onDropAny={(files, refusals) => {
            if (files.length + refusals.length > 1) setRefused(t('media.one'));
            else if (refusals.length > 0) setRefused(t(`media.${kind}.refused`));
            else take(files[0]);
          }}
          onDrop={() => undefined}
          accept={TYPES[kind]}
          multiple={false}
          className={classes.dropzone}
          inputProps={{ 'aria-labelledby': labelId }}
          aria-label={t(`media.${kind}.choose`)}
        >
          {url && kind === 'image' ? (
            <Image src={url} alt={t('media.image.chosen')} fit="contain" mah={260} radius="md" />
          ) : (
            <Stack align="center" gap={6} py="lg">
              {kind === 'image' ? (
                <IconPhoto size={32} stroke={1.5} />
              ) : (
                <IconMicrophone size={32} stroke={1.5} />
              )}
              <Text size="sm" fw={500} ta="center">
                {t(`media.${kind}.choose`)}
              </Text>
              <Text size="xs" c="dimmed" ta="center">
                {t(`media.${kind}.types`)}
              </Text>
            </Stack>
          )}
        </Dropzone>
        {url && kind === 'audio' && <audio controls src={url} className={classes.audio} aria-label={label} />}
        {url && (
          <Group>
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              leftSection={<IconX size={14} />}
              onClick={() => onChange(undefined)}
            >
              {t('media.remove')}
            </Button>
          </Group>
        )}
      </Stack>
    </Input.Wrapper>
  );
}

function readDataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(textOf(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error('the file can not be read'));
    reader.readAsDataURL(file);
  });
}
