/** Where short messages appear. Loaded after the page, which does not need it at first. */
import '@mantine/notifications/styles.css';
import { Notifications } from '@mantine/notifications';

export function AppNotifications() {
  return <Notifications position="bottom-right" autoClose={6000} />;
}
