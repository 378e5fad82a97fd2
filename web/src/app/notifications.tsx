/** Where short messages appear. On narrow screens over the header, and one at a time: nothing of the page is covered. */
import '@mantine/notifications/styles.css';
import { Notifications } from '@mantine/notifications';
import { useMantineTheme } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import classes from './notifications.module.css';

const MOST = 3;

export function AppNotifications() {
  const { breakpoints } = useMantineTheme();
  const wide = useMediaQuery(`(min-width: ${breakpoints.sm})`, undefined, { getInitialValueInEffect: false });
  return (
    <Notifications
      position={wide ? 'bottom-right' : 'top-center'}
      autoClose={wide ? 6000 : 4000}
      limit={wide ? MOST : 1}
      classNames={{ root: classes.root, notification: classes.notification }}
    />
  );
}
