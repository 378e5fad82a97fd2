/** Tries models: choose one, fill in its form, watch it run. */
import { Alert, Card, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useRouterState } from '@tanstack/react-router';
import { IconLamp } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/empty-state';
import { Link } from '@/components/link';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { paths } from '@/config/paths';
import { modelsQuery } from '@/lib/models';
import { sessionQuery, useLoginEnded, useUser } from '@/lib/session';
import { pickModel, pickTask, sortModels } from '../components/model/pick-model';
import { Workbench } from '../components/workbench';
import { claimDesk, placeOf } from '../desk';

const route = getRouteApi(paths.playground);

/** How old the models' lights may get. */
const LIGHTS_MS = 15_000;

export function PlaygroundPage() {
  const { t } = useTranslation('playground');
  const user = useUser();
  const loginEnded = useLoginEnded();
  if (user !== undefined) claimDesk(user?.id ?? null, loginEnded);
  // Whose desk it is decides what the form begins with.
  const session = useQuery(sessionQuery);
  const isAsking = session.isPending && !session.isFetched;
  const { data, error, isPending, refetch } = useQuery({
    ...modelsQuery,
    staleTime: LIGHTS_MS,
    refetchInterval: LIGHTS_MS,
  });
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const models = sortModels(data ?? []);
  // Lights change, and with them the order: the first pick stays the pick.
  const [held, hold] = useState<string>();
  const model = pickModel(models, search.model, held);
  if (model && model.id !== held) hold(model.id);
  const hidden = data && search.model !== model?.id ? search.model : undefined;
  const task = model && pickTask(model, search.task);
  const go = (next: { model: string; task?: string }) =>
    void navigate({ search: next, replace: true, resetScroll: false });

  return (
    <Page title={t('title')} lead={t('lead')} size="xl">
      {user === null && <GuestNote model={model?.id} task={task?.task} hidden={hidden} />}
      {user && hidden && (
        <Alert variant="light" color="amber" py="xs">
          {t('model.hidden', { model: hidden })}
        </Alert>
      )}
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      {(isPending || isAsking) && <Skeleton h={420} radius="lg" />}
      {data && !model && (
        <Card>
          <EmptyState icon={<IconLamp size={26} />} title={t('model.none')}>
            {t('model.noneHint')}
          </EmptyState>
        </Card>
      )}
      {model && task && !isAsking && (
        <Workbench
          key={placeOf(model.id, task.task)}
          models={models}
          model={model}
          task={task}
          given={{ fits: isOf(search, model.id, task.task), from: search.from }}
          onModel={(next) => go({ model: next.id })}
          onTask={(next) => go({ model: model.id, task: next })}
        />
      )}
    </Page>
  );
}

/** Whether an address that names a model or a task means these. */
function isOf(search: { model?: string; task?: string }, model: string, task: string): boolean {
  return (search.model ?? model) === model && (search.task ?? task) === task;
}

interface GuestNoteProps {
  model: string | undefined;
  task: string | undefined;
  /** The model of the address, which guests may not see. */
  hidden: string | undefined;
}

function GuestNote({ model, task, hidden }: GuestNoteProps) {
  const { t } = useTranslation('playground');
  const { href, named } = useRouterState({
    select: ({ location }) => ({ href: location.href, named: 'model' in location.search }),
    structuralSharing: true,
  });
  // Who logs in may see more models, and another one first.
  const next =
    named || !model
      ? href
      : `${paths.playground}?${new URLSearchParams({ model, task: task ?? '' }).toString()}`;
  return (
    <Alert variant="light" color="amber" py="xs">
      <Text size="sm">
        {hidden ? t('guest.hidden', { model: hidden }) : t('guest.text')}{' '}
        <Link to={paths.login} search={{ next }} inherit>
          {hidden ? t('guest.loginFor', { model: hidden }) : t('guest.login')}
        </Link>
      </Text>
    </Alert>
  );
}
