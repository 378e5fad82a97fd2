/** Opens the menu of whoever is logged in. */
import { Avatar, UnstyledButton, type UnstyledButtonProps } from '@mantine/core';
import type { ComponentProps } from 'react';
import { useTranslation } from 'react-i18next';

interface AvatarButtonProps
  extends UnstyledButtonProps, Omit<ComponentProps<'button'>, keyof UnstyledButtonProps | 'name'> {
  name: string;
}

export function AvatarButton({ name, ...props }: AvatarButtonProps) {
  const { t } = useTranslation();
  return (
    <UnstyledButton {...props} aria-label={t('shell.account', { name })}>
      <Avatar name={name} color="amber" size={34} radius="xl" alt="" />
    </UnstyledButton>
  );
}
