/** What can be done with a token. */
import { ActionIcon, Menu } from '@mantine/core';
import { IconChartBar, IconDots, IconRefresh, IconTrash, IconCancel } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Token } from '@/api/generated';

export type TokenAction = 'usage' | 'rotate' | 'revoke' | 'delete';

interface TokenMenuProps {
  token: Token;
  onChoose: (action: TokenAction) => void;
}

export function TokenMenu({ token, onChoose }: TokenMenuProps) {
  const { t } = useTranslation('tokens');
  const live = token.status === 'active';
  return (
    <Menu
      position="bottom-end"
      width={220}
      withInitialFocusPlaceholder={false}
      // The table hides what goes over its edge; the page's main part is a landmark, the body is none.
      portalProps={{ target: '#main' }}
    >
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('list.menu', { name: token.name })}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconChartBar size={16} />} onClick={() => onChoose('usage')}>
          {t('action.usage')}
        </Menu.Item>
        {live && !token.rotated_to && (
          <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => onChoose('rotate')}>
            {t('action.rotate')}
          </Menu.Item>
        )}
        <Menu.Divider />
        {live && (
          <Menu.Item leftSection={<IconCancel size={16} />} onClick={() => onChoose('revoke')}>
            {t('action.revoke')}
          </Menu.Item>
        )}
        <Menu.Item
          leftSection={<IconTrash size={16} />}
          c="var(--mantine-color-error)"
          onClick={() => onChoose('delete')}
        >
          {t('action.delete')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
