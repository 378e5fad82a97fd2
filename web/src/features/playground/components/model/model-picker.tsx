/** The chosen model with its light; opened, all of them. */
import { Box, Group, Stack, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure, useId } from '@mantine/hooks';
import { IconChevronDown } from '@tabler/icons-react';
import { type KeyboardEvent, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Model } from '@/api/generated';
import { Light } from './light';
import classes from './model.module.css';

interface ModelPickerProps {
  models: Model[];
  current: Model;
  onPick: (model: Model) => void;
}

export function ModelPicker({ models, current, onPick }: ModelPickerProps) {
  const { t } = useTranslation('playground');
  const [opened, list] = useDisclosure(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !opened) return;
    list.close();
    button.current?.focus();
  };
  const pick = (model: Model) => {
    list.close();
    onPick(model);
  };
  return (
    <Box onKeyDown={onKeyDown}>
      <UnstyledButton
        ref={button}
        className={classes.current}
        aria-expanded={opened}
        aria-controls={id}
        aria-label={t('model.choose', { model: current.id, status: t(`model.status.${current.status}`) })}
        aria-describedby={current.description ? `${id}-about` : undefined}
        onClick={list.toggle}
      >
        <Description model={current} about={`${id}-about`} />
        <IconChevronDown size={18} className={classes.chevron} />
      </UnstyledButton>
      <ul id={id} hidden={!opened} className={classes.list}>
        {models.map((model) => (
          <li key={model.id}>
            <UnstyledButton
              className={classes.option}
              aria-current={model.id === current.id}
              onClick={() => pick(model)}
            >
              <Description model={model} />
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </Box>
  );
}

/** `about`: the id of what the model is, for whom the button's name alone is read. */
function Description({ model, about }: { model: Model; about?: string }) {
  return (
    <Stack gap={2} flex={1} miw={0} component="span">
      <Group gap="sm" justify="space-between" wrap="nowrap" component="span">
        <Text component="span" fw={650} truncate>
          {model.id}
        </Text>
        <Light status={model.status} />
      </Group>
      <Text id={about} component="span" size="sm" c="dimmed" lineClamp={2}>
        {model.description}
      </Text>
    </Stack>
  );
}
