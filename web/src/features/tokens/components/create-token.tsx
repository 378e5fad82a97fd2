/** Makes a token, then shows its text once. */
import { Modal } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { NewSecret } from './new-secret';
import { TokenForm } from './token-form';

export function CreateToken({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation(['tokens', 'common']);
  const [made, setMade] = useState<Token>();
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={made ? t('secret.title') : t('form.title')}
      // The text is gone with the window: that takes a button, not a slip.
      closeOnClickOutside={false}
      closeOnEscape={!made}
      withCloseButton={!made}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      attributes={{ header: { role: 'presentation' } }}
    >
      {made?.token ? (
        <NewSecret name={made.name} secret={made.token} onDone={onClose} />
      ) : (
        <TokenForm onMade={setMade} onCancel={onClose} />
      )}
    </Modal>
  );
}
