/** Chooses the language of the app. A native list: small, and at home on every device. */
import { NativeSelect, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { IconLanguage } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { speak } from '@/lib/i18n';
import { isLanguage, languages } from '@/lib/languages';
import classes from './shell.module.css';

const options = languages.map(({ code, name }) => ({ value: code, label: name }));

export function LanguageSelect() {
  const { t, i18n } = useTranslation();
  const queryClient = useQueryClient();
  // Told here, and not in the corner: where texts do not come, the code for messages would not, either.
  const [failed, setFailed] = useState(false);
  const choose = async (code: string) => {
    setFailed(false);
    if (!isLanguage(code)) return;
    try {
      await speak(code);
    } catch {
      setFailed(true);
      return;
    }
    // What the server said was in the language of before. What is not on the page must not show up in it for a moment.
    queryClient.removeQueries({ type: 'inactive' });
    await queryClient.invalidateQueries();
  };
  return (
    <div className={classes.languagePlace}>
      <NativeSelect
        size="sm"
        variant="unstyled"
        aria-label={t('shell.language')}
        data={options}
        value={i18n.language}
        onChange={(event) => void choose(event.currentTarget.value)}
        leftSection={<IconLanguage size={18} />}
        classNames={{ root: classes.language, input: classes.languageInput }}
        onBlur={() => setFailed(false)}
      />
      {failed && (
        <Text role="alert" size="sm" className={classes.languageFault}>
          {t('shell.languageFailed')}
        </Text>
      )}
    </div>
  );
}
