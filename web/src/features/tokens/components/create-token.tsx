/** Makes a token, then shows its text once. */
import { Modal } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useCreateToken } from '../api/create-token';
import { NewSecret } from './new-secret';
import { TokenForm } from './token-form';

export function CreateToken({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation(['tokens', 'common']);
  const create = useCreateToken();
  const made = create.data;
  // The text is gone with the window: that takes a button, not a slip; nor while it is on its way, since it is made already.
  const held = create.isPending || Boolean(made);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={made ? t('secret.title') : t('form.title')}
      closeOnClickOutside={false}
      closeOnEscape={!held}
      withCloseButton={!held}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      attributes={{ header: { role: 'presentation' } }}
    >
      {made?.token ? (
        <NewSecret name={made.name} secret={made.token} onDone={onClose} />
      ) : (
        <TokenForm create={create} onCancel={onClose} />
      )}
    </Modal>
  );
}
