/** The frame of the pages of administration: heading, and the way to the others. */
import { Link } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { paths } from '@/config/paths';
import classes from './admin-page.module.css';

const sections = [
  { to: paths.adminFleet, label: 'fleet' },
  { to: paths.adminQueues, label: 'queues' },
  { to: paths.adminUsers, label: 'users' },
  { to: paths.adminPlans, label: 'plans' },
  { to: paths.adminAudit, label: 'audit' },
  { to: paths.adminOutbox, label: 'outbox' },
] as const;

interface AdminPageProps {
  title: string;
  lead?: string;
  actions?: ReactNode;
  children: ReactNode;
}

export function AdminPage({ title, lead, actions, children }: AdminPageProps) {
  const { t } = useTranslation('admin');
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // Where the sections do not fit, the one that is open is in sight.
    const current = nav.current?.querySelector('[aria-current]');
    current?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, []);
  return (
    <Page title={title} lead={lead} actions={actions} size="xl">
      <nav ref={nav} aria-label={t('sections')} className={classes.nav}>
        <ul className={classes.list}>
          {sections.map(({ to, label }) => (
            <li key={to}>
              <Link to={to} className={classes.link} activeOptions={{ includeSearch: false }}>
                {t(`section.${label}`)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {children}
    </Page>
  );
}
