/** Wordmark, navigation, and the switches on the right. On narrow screens the navigation folds away. */
import { Burger, Container } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { type KeyboardEvent, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Wordmark } from '@/components/wordmark';
import { paths } from '@/config/paths';
import { useUser } from '@/lib/session';
import { AccountMenu } from './account-menu';
import { ColorSchemeSwitch } from './color-scheme-switch';
import { LanguageSelect } from './language-select';
import { navigationFor } from './navigation';
import classes from './shell.module.css';

export function Header() {
  const { t } = useTranslation();
  const [opened, menu] = useDisclosure(false);
  const burger = useRef<HTMLButtonElement>(null);
  const entries = navigationFor(useUser());
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !opened) return;
    menu.close();
    burger.current?.focus();
  };
  return (
    <header className={classes.header} onKeyDown={onKeyDown}>
      <Container size="xl" px={{ base: 'sm', sm: 'lg' }} className={classes.bar}>
        <Burger
          ref={burger}
          hiddenFrom="md"
          size="sm"
          opened={opened}
          onClick={menu.toggle}
          aria-label={t('shell.menu')}
          aria-expanded={opened}
          aria-controls="navigation"
        />
        <Link to={paths.home} className={classes.home} aria-label={t('nav.home')} onClick={menu.close}>
          <Wordmark />
        </Link>
        <nav id="navigation" aria-label={t('shell.navigation')} className={classes.nav} data-opened={opened}>
          {entries.map(({ to, label }) => (
            <Link key={to} to={to} className={classes.link} onClick={menu.close}>
              {t(`nav.${label}`)}
            </Link>
          ))}
        </nav>
        <div className={classes.tools}>
          <LanguageSelect />
          <ColorSchemeSwitch />
          <AccountMenu />
        </div>
      </Container>
    </header>
  );
}
