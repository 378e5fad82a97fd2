/** Short messages in the corner. Their code comes when the page is at rest: the first may be that the server is away. */
import { IconCheck, IconX } from '@tabler/icons-react';
import type { NotificationData } from '@mantine/notifications';
import { useSyncExternalStore } from 'react';
import { ahead } from './ahead';
import { i18n } from './i18n';

export function notifySuccess(message: string) {
  show({ message, color: 'teal', icon: <IconCheck size={18} /> });
}

export function notifyFailure(message: string) {
  show({ message, color: 'red', icon: <IconX size={18} />, role: 'alert' });
}

let notified = false;
let tell: () => void = () => undefined;

function show(data: NotificationData) {
  notified = true;
  tell();
  ahead(async () => {
    const { notifications } = await import('@mantine/notifications');
    // It waits there until the place where it appears is on the page.
    notifications.show({ closeButtonProps: { 'aria-label': i18n.t('action.close') }, ...data });
  });
}

/** Whether there has been a message, so that the place for them is needed. */
export function useNotified(): boolean {
  return useSyncExternalStore(
    (listen) => {
      tell = listen;
      return () => {
        tell = () => undefined;
      };
    },
    () => notified,
  );
}
