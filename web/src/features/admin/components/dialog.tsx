/** A dialog as all of these pages have it. */
import { Modal, type ModalProps, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFocusReturn } from '@/lib/focus';

export function Dialog({ title, ...props }: ModalProps) {
  const { t } = useTranslation();
  useFocusReturn(props.opened);
  return (
    <Modal
      title={
        <Text span fw={650} fz="lg">
          {title}
        </Text>
      }
      closeButtonProps={{ 'aria-label': t('action.close') }}
      {...props}
    />
  );
}
