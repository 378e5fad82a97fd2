/** The menu of whoever is logged in, open. Loaded when it is asked for. */
import { Menu, Text } from '@mantine/core';
import { IconLogout, IconUser } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { paths } from '@/config/paths';
import { AvatarButton } from './avatar-button';
import { useLogout } from './use-logout';
import classes from './shell.module.css';

export function UserMenu({ name, email }: { name: string; email: string }) {
  const { t } = useTranslation();
  const logout = useLogout();
  // The button that was pressed first is gone; focus goes back to the one in its place.
  const button = useRef<HTMLButtonElement>(null);
  return (
    <Menu
      defaultOpened
      position="bottom-end"
      width={240}
      withinPortal={false}
      withInitialFocusPlaceholder={false}
      onClose={() => button.current?.focus()}
    >
      <Menu.Target>
        <AvatarButton name={name} ref={button} />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          component={Link}
          to={paths.account}
          leftSection={<IconUser size={16} />}
          classNames={{ itemLabel: classes.whoever }}
        >
          <Text size="sm" fw={600} truncate title={name}>
            {name}
          </Text>
          <Text size="xs" truncate title={email}>
            {name === email ? t('nav.account') : email}
          </Text>
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => logout.mutate()}>
          {t('nav.logout')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
