/** How to use the API: in short, with code to copy. What is not here stands in the reference. */
import { Button, Group } from '@mantine/core';
import { IconBook2, IconFileCode, IconKey } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Model } from '@/api/generated';
import { CodeBlock } from '@/components/code/code-block';
import { CodeTabs } from '@/components/code/code-tabs';
import { LinkButton } from '@/components/link';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem-alert';
import { paths, serverPaths } from '@/config/paths';
import { modelsQuery } from '@/lib/models';
import { Contents } from '../components/contents';
import { ErrorTable } from '../components/errors';
import classes from '../components/guide.module.css';
import { LimitTable } from '../components/limits';
import { ExamplesSkeleton, ModelExamples } from '../components/model-examples';
import * as samples from '../components/samples';
import { ScopeTable } from '../components/scopes';
import { Section } from '../components/section';
import { Words } from '../components/words';
import { type Example, firstExample, streamExample } from '../schema/fallback';

const route = getRouteApi(paths.docs);

export function GuidePage() {
  const { t } = useTranslation('docs');
  const models = useQuery(modelsQuery);
  const chosen = route.useSearch();
  const navigate = route.useNavigate();
  const server = location.origin;
  const streamed = exampleOf(models.data, 'chat') ?? streamExample;
  return (
    <Page title={t('title')} lead={t('lead')} size="xl">
      <div className={classes.layout}>
        <Contents />
        <div className={classes.content}>
          <Section id="start" title={t('section.start')}>
            <Words text="text.token" />
            <Group>
              <LinkButton to={paths.tokens} variant="default" leftSection={<IconKey size={17} />}>
                {t('makeToken')}
              </LinkButton>
            </Group>
            <Words text="text.first" />
            <CodeTabs label={t('section.start')} call={{ server, ...firstExample, how: 'wait' }} />
            <Words text="text.wait" />
            <Words text="text.sdk" />
            <CodeBlock code={samples.install} language="bash" label={t('code.install')} />
          </Section>

          <Section id="models" title={t('section.models')}>
            <Words text="text.models" />
            {models.isPending && <ExamplesSkeleton />}
            <ProblemAlert error={models.error} onRetry={() => void models.refetch()} />
            {models.data && (
              <ModelExamples
                models={models.data}
                chosen={chosen}
                onChoose={(search) => void navigate({ search, replace: true, resetScroll: false })}
              />
            )}
          </Section>

          <Section id="auth" title={t('section.auth')}>
            <Words text="text.auth" />
            <CodeBlock code={samples.checkToken(server)} language="bash" label={t('section.auth')} />
            <Words text="text.scopes" />
            <ScopeTable />
            <Words text="text.secret" />
          </Section>

          <Section id="streaming" title={t('section.streaming')}>
            <Words text="text.streaming" />
            <CodeTabs label={t('section.streaming')} call={{ server, ...streamed, how: 'stream' }} />
            <Words text="text.events" />
            <CodeBlock code={samples.events} language="bash" label={t('code.events')} />
            <Words text="text.resume" />
            <CodeBlock code={samples.resume(server)} language="bash" label={t('code.resume')} />
          </Section>

          <Section id="repeating" title={t('section.repeating')}>
            <Words text="text.repeating" />
            <CodeTabs label={t('section.repeating')} call={{ server, ...firstExample, how: 'key' }} />
            <Words text="text.keys" />
          </Section>

          <Section id="errors" title={t('section.errors')}>
            <Words text="text.errors" />
            <CodeBlock code={samples.problem} language="json" label={t('code.problem')} />
            <ErrorTable />
            <Words text="text.failed" />
          </Section>

          <Section id="limits" title={t('section.limits')}>
            <Words text="text.limits" />
            <LimitTable />
            <Words text="text.remaining" />
          </Section>

          <Section id="more" title={t('section.more')}>
            <Words text="text.more" />
            <Group gap="sm">
              <Button
                component="a"
                href={serverPaths.reference}
                variant="default"
                leftSection={<IconBook2 size={17} />}
              >
                {t('reference')}
              </Button>
              <Button
                component="a"
                href={serverPaths.openapi}
                variant="default"
                leftSection={<IconFileCode size={17} />}
              >
                openapi.json
              </Button>
            </Group>
          </Section>
        </div>
      </div>
    </Page>
  );
}

/** A model that does this task, with its own example. */
function exampleOf(models: readonly Model[] | undefined, wanted: string): Example | undefined {
  for (const model of models ?? []) {
    const task = model.tasks.find(({ task: name }) => name === wanted);
    if (task) {
      return { model: model.id, task: task.task === model.task ? undefined : task.task, input: task.example };
    }
  }
  return undefined;
}
