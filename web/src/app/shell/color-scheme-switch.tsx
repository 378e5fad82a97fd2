/** Light, dark, or as the system has it: each press goes to the next. */
import { ActionIcon, useMantineColorScheme } from '@mantine/core';
import { IconDeviceDesktop, IconMoon, IconSun } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

const schemes = { auto: IconDeviceDesktop, light: IconSun, dark: IconMoon } as const;
const next = { auto: 'light', light: 'dark', dark: 'auto' } as const;

export function ColorSchemeSwitch() {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = schemes[colorScheme];
  const label = t('shell.scheme', { scheme: t(`scheme.${colorScheme}`) });
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={label}
      title={label}
      onClick={() => setColorScheme(next[colorScheme])}
    >
      <Icon size={20} />
    </ActionIcon>
  );
}
