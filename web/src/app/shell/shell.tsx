/** The frame of every page: skip link, header, the page, footer. */
import { Outlet } from '@tanstack/react-router';
import { Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { PageLoader } from '@/components/page-loader';
import { Footer } from './footer';
import { Header } from './header';
import { LoginEnded } from './login-ended';
import { usePageFocus } from './use-page-focus';
import classes from './shell.module.css';

export function Shell() {
  const { t } = useTranslation();
  usePageFocus();
  return (
    <div className={classes.shell}>
      <a href="#main" className={classes.skip}>
        {t('shell.skip')}
      </a>
      <Header />
      <LoginEnded />
      <main id="main" tabIndex={-1} className={classes.main}>
        <Suspense fallback={<PageLoader />}>
          <Outlet />
        </Suspense>
      </main>
      <Footer />
    </div>
  );
}
