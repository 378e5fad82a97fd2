/** The buttons of the first page. The one to begin with comes first. */
import { Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { LinkButton } from '@/components/link';
import { paths } from '@/config/paths';
import { useUser } from '@/lib/session';
import { useFirstStep } from './first-step';

export function WaysIn() {
  const { t } = useTranslation('home');
  const user = useUser();
  const first = useFirstStep();
  const playground = (
    <LinkButton
      key="playground"
      to={paths.playground}
      size="md"
      variant={first === 'account' ? 'default' : 'filled'}
    >
      {t('try')}
    </LinkButton>
  );
  const account = !user && (
    <LinkButton
      key="account"
      to={paths.register}
      size="md"
      variant={first === 'account' ? 'filled' : 'default'}
    >
      {t('register')}
    </LinkButton>
  );
  // Until it is known which is which, their place is kept, and nothing changes under a hand.
  return (
    <Group gap="sm" style={first ? undefined : { visibility: 'hidden' }}>
      {first === 'account' ? [account, playground] : [playground, account]}
    </Group>
  );
}
