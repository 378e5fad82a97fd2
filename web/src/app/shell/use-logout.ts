/** Ends the session and leaves the pages that need one. */
import { useNavigate } from '@tanstack/react-router';
import { deleteSession } from '@/api/generated';
import { paths } from '@/config/paths';
import { useMessageOf } from '@/lib/message-of';
import { notifyFailure } from '@/lib/notify';
import { useSessionChanged } from '@/lib/session';
import { useMutation } from '@/lib/use-mutation';

export function useLogout() {
  const sessionChanged = useSessionChanged();
  const navigate = useNavigate();
  const messageOf = useMessageOf();
  return useMutation({
    mutationFn: () => deleteSession(),
    onSuccess: async () => {
      await navigate({ to: paths.home });
      await sessionChanged();
    },
    onError: (error) => notifyFailure(messageOf(error)),
  });
}
