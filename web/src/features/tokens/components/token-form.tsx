/** Name, length of life, scopes, models and plan of a new token. */
import { Button, Group, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ProblemAlert } from '@/components/problem-alert';
import { useProblemForm } from '@/lib/problem-form';
import { useUser } from '@/lib/session';
import type { useCreateToken } from '../api/create-token';
import { type Expiry, secondsOf } from '../expiry/expiry';
import { atFields } from '../faults';
import { usualScopes } from '../scopes';
import { ExpiryField } from './expiry-field';
import { ModelsField } from './models-field';
import { PlanField } from './plan-field';
import { ScopesField } from './scopes-field';

const LONGEST_NAME = 100;

interface Values extends Record<string, unknown> {
  name: string;
  expiry: Expiry;
  date: string;
  scopes: string[];
  models: string[];
  plan: string;
}

interface TokenFormProps {
  create: ReturnType<typeof useCreateToken>;
  onCancel: () => void;
}

export function TokenForm({ create, onCancel }: TokenFormProps) {
  const { t } = useTranslation(['tokens', 'common']);
  const user = useUser();
  const [now] = useState(Date.now);
  const { form, failure, refuse, clear } = useProblemForm<Values>({
    mode: 'controlled',
    initialValues: { name: '', expiry: 'month', date: '', scopes: usualScopes, models: [], plan: '' },
    validate: {
      name: (name) => {
        if (name.trim() === '') return t('fault.nameRequired');
        return Array.from(name.trim()).length > LONGEST_NAME ? t('fault.nameLong') : null;
      },
      expiry: (expiry, { date }) => {
        const length = secondsOf(expiry, date);
        return 'fault' in length ? t(`fault.${length.fault}`) : null;
      },
      scopes: (scopes) => (scopes.length === 0 ? t('fault.scopesRequired') : null),
    },
  });

  const submit = ({ name, expiry, date, scopes, models, plan }: Values) => {
    const length = secondsOf(expiry, date);
    if ('fault' in length) return;
    clear();
    create.mutate(
      {
        name: name.trim(),
        scopes,
        expires_in_seconds: length.seconds,
        models: models.length > 0 ? models : undefined,
        plan: plan || undefined,
      },
      { onError: (error) => refuse(atFields(error)) },
    );
  };

  const bound = (field: 'scopes' | 'models') => ({
    value: form.values[field],
    onChange: (value: string[]) => {
      form.setFieldValue(field, value);
      form.clearFieldError(field);
    },
    error: form.errors[field],
  });

  return (
    <form noValidate onSubmit={form.onSubmit(submit)}>
      <Stack gap="lg">
        <TextInput
          label={t('form.name')}
          description={t('form.nameHint')}
          required
          data-autofocus
          autoComplete="off"
          {...form.getInputProps('name')}
        />
        <ExpiryField
          label={t('form.expiry')}
          value={form.values.expiry}
          onChange={(expiry) => form.setFieldValue('expiry', expiry)}
          date={form.values.date}
          onDateChange={(date) => {
            form.setFieldValue('date', date);
            form.clearFieldError('expiry');
          }}
          error={form.errors.expiry}
          now={now}
        />
        <ScopesField {...bound('scopes')} admin={user?.role === 'admin'} />
        <ModelsField {...bound('models')} />
        {user?.role === 'admin' && (
          <PlanField
            value={form.values.plan}
            onChange={(plan) => {
              form.setFieldValue('plan', plan);
              form.clearFieldError('plan');
            }}
            error={form.errors.plan}
            mine={user.plan}
          />
        )}
        <ProblemAlert error={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onCancel} disabled={create.isPending}>
            {t('common:action.cancel')}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t('form.submit')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
