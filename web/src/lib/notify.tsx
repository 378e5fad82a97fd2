/** Short messages in the corner. Their code is loaded apart from the page's. */
import { IconCheck, IconX } from '@tabler/icons-react';
import { i18n } from './i18n';

const closeButton = () => ({ closeButtonProps: { 'aria-label': i18n.t('action.close') } });

export function notifySuccess(message: string) {
  void import('@mantine/notifications').then(({ notifications }) =>
    notifications.show({ message, color: 'teal', icon: <IconCheck size={18} />, ...closeButton() }),
  );
}

export function notifyFailure(message: string) {
  void import('@mantine/notifications').then(({ notifications }) =>
    notifications.show({ message, color: 'red', icon: <IconX size={18} />, ...closeButton(), role: 'alert' }),
  );
}
