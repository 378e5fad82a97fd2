/** Chooses the language of the app. A native list: small, and at home on every device. */
import { NativeSelect } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { IconLanguage } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { languages } from '@/lib/languages';
import classes from './shell.module.css';

const options = languages.map(({ code, name }) => ({ value: code, label: name }));

export function LanguageSelect() {
  const { t, i18n } = useTranslation();
  const queryClient = useQueryClient();
  const choose = async (code: string) => {
    await i18n.changeLanguage(code);
    // What the server said was in the language of before. What is not on the page must not show up in it for a moment.
    queryClient.removeQueries({ type: 'inactive' });
    await queryClient.invalidateQueries();
  };
  return (
    <NativeSelect
      size="sm"
      variant="unstyled"
      aria-label={t('shell.language')}
      data={options}
      value={i18n.language}
      onChange={(event) => void choose(event.currentTarget.value)}
      leftSection={<IconLanguage size={18} />}
      classNames={{ root: classes.language, input: classes.languageInput }}
    />
  );
}
