/** The questions before a token is revoked or deleted. */
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';
import { notifySuccess } from '@/lib/notify';
import { useDeleteToken } from '../api/delete-token';
import { useRevokeToken } from '../api/revoke-token';
import { ConfirmDialog } from './confirm-dialog';

interface EndTokenProps {
  token: Token;
  onClose: () => void;
}

export function RevokeToken({ token, onClose }: EndTokenProps) {
  const { t } = useTranslation('tokens');
  const revoke = useRevokeToken();
  const { name } = token;
  const confirm = () =>
    revoke.mutate(token.id, {
      onSuccess: () => {
        notifySuccess(t('revoke.done', { name }));
        onClose();
      },
    });
  return (
    <ConfirmDialog
      title={t('revoke.title', { name })}
      text={t('revoke.text')}
      submit={t('revoke.submit')}
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={confirm}
      onClose={onClose}
    />
  );
}

export function DeleteToken({ token, onClose }: EndTokenProps) {
  const { t } = useTranslation('tokens');
  const remove = useDeleteToken();
  const { name } = token;
  const confirm = () =>
    remove.mutate(token.id, {
      onSuccess: () => {
        notifySuccess(t('delete.done', { name }));
        onClose();
      },
    });
  return (
    <ConfirmDialog
      title={t('delete.title', { name })}
      text={t('delete.text')}
      submit={t('delete.submit')}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={confirm}
      onClose={onClose}
    />
  );
}
