/** One entry: what, who, whose account, when; the rest opens below it. */
import { Badge, Code, Group, Stack, Text, ThemeIcon, VisuallyHidden } from '@mantine/core';
import { IconCheck, IconX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { AuditEntry as Entry } from '@/api/generated';
import { useFormat } from '@/lib/use-format';
import { isAction } from '../../audit/actions';
import { sayDetail } from '../../audit/detail';
import { type Fact, Facts } from '../facts';
import { UserName } from '../user-name';
import { AuditActor } from './audit-actor';
import classes from './audit.module.css';

export function AuditEntry({ entry }: { entry: Entry }) {
  const { t } = useTranslation('admin');
  const format = useFormat();
  const failed = entry.outcome === 'failure';
  const said = sayDetail(entry.action, entry.detail, t);
  const other = entry.user && entry.user !== entry.actor.id;
  return (
    <li className={classes.entry}>
      <ThemeIcon
        variant="light"
        color={failed ? 'red' : 'teal'}
        radius="xl"
        size={26}
        className={classes.mark}
      >
        {failed ? <IconX size={15} /> : <IconCheck size={15} />}
        {!failed && <VisuallyHidden>{t('audit.success')}</VisuallyHidden>}
      </ThemeIcon>
      <Stack gap={2} miw={0} flex={1}>
        <Group justify="space-between" gap="xs" align="baseline">
          <Text fw={600} size="sm">
            {/* What follows reads as if it had been done. */}
            {failed && (
              <>
                <Badge component="span" variant="light" color="red" tt="none" fw={600}>
                  {t('audit.failure')}
                </Badge>{' '}
              </>
            )}
            {isAction(entry.action) ? t(`audit.action.${entry.action}`) : entry.action}
            {said && (
              <Text span inherit fw={400} c="dimmed">
                {' '}
                {said}
              </Text>
            )}
          </Text>
          <Text size="sm" c="dimmed" className="tabular">
            <time dateTime={entry.at}>{format.date(entry.at)}</time>
          </Text>
        </Group>
        <Text size="sm" className={classes.who}>
          <Text span inherit c="dimmed">
            {t('audit.by')}
          </Text>{' '}
          <AuditActor actor={entry.actor} />
          {other && (
            <>
              <Text span inherit c="dimmed">
                {' · '}
                {t('audit.about')}
              </Text>{' '}
              <UserName id={entry.user ?? ''} />
            </>
          )}
          {entry.address && (
            <Text span inherit c="dimmed">
              {' · '}
              {entry.address}
            </Text>
          )}
        </Text>
        <More entry={entry} />
      </Stack>
    </li>
  );
}

function More({ entry }: { entry: Entry }) {
  const { t } = useTranslation('admin');
  const facts: Fact[] = [[t('audit.name'), <Code key="action">{entry.action}</Code>]];
  if (entry.subject) facts.push([t('audit.subject'), <Code key="subject">{entry.subject}</Code>]);
  if (entry.request_id) facts.push([t('audit.request'), <Code key="request">{entry.request_id}</Code>]);
  facts.push([t('audit.id'), <Code key="id">{entry.id}</Code>]);
  return (
    <details className={classes.more}>
      <summary>{t('audit.more')}</summary>
      <Facts facts={facts} />
      {entry.detail && (
        <Code block tabIndex={0} aria-label={t('audit.detail')}>
          {JSON.stringify(entry.detail, null, 2)}
        </Code>
      )}
    </details>
  );
}
