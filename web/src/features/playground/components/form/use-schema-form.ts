/** The state of a form that is drawn from a schema: values, and faults of ours and of the server. */
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';
import type { Form } from '../../schema/fields';
import { type Fault, type Faults, validate } from '../../schema/validate';
import { toInput, toValues, type Values } from '../../schema/values';

/** Where the input stands in a request's body. */
const INPUT = '/input';

export interface SchemaForm {
  values: Values;
  change: (name: string, value: unknown) => void;
  fill: (input: Record<string, unknown>) => void;
  errorAt: (pointer: string) => string | undefined;
  /** The input, or undefined where something is wrong; then it is said at the fields. */
  check: () => Record<string, unknown> | undefined;
  /** The input as far as it goes, faults or not; undefined where there is JSON in it that is none. */
  draft: () => Record<string, unknown> | undefined;
  /** Faults that the server found, by pointer into the request's body. */
  refuse: (faults: Record<string, string>) => void;
}

/** `keep` is told what somebody wrote, not what was there `initial`ly. */
export function useSchemaForm(
  form: Form,
  initial: () => Values,
  keep: (values: Values) => void,
): SchemaForm {
  const [values, setValues] = useState(initial);
  const first = useRef(values);
  useEffect(() => {
    if (values !== first.current) keep(values);
  });
  const [faults, setFaults] = useState<Faults>({});
  const [refused, setRefused] = useState<Record<string, string>>({});
  const messageOf = useFaultMessage();

  const clear = (pointer: string) => {
    setFaults((now) => without(now, pointer));
    setRefused((now) => without(now, INPUT + pointer));
  };
  const check = () => {
    const found = validate(form, values);
    setFaults(found);
    return Object.keys(found).length === 0 ? toInput(form, values) : undefined;
  };
  return {
    values,
    change: (name, value) => {
      setValues((now) => ({ ...now, [name]: value }));
      clear(form.free ? '' : `/${name}`);
    },
    fill: (input) => {
      setValues(toValues(form, input));
      setFaults({});
      setRefused({});
    },
    errorAt: (pointer) => {
      const fault = faults[pointer];
      if (fault) return messageOf(fault);
      return form.free ? anywhere(refused) : refused[INPUT + pointer];
    },
    check,
    draft: () => {
      try {
        return toInput(form, values);
      } catch {
        return undefined;
      }
    },
    refuse: setRefused,
  };
}

/** The first fault of an input that is one field, with its place in it. */
function anywhere(refused: Record<string, string>): string | undefined {
  const first = Object.entries(refused).find(([at]) => at === INPUT || at.startsWith(`${INPUT}/`));
  if (!first) return undefined;
  const [at, message] = first;
  return at === INPUT ? message : `${at.slice(INPUT.length)}: ${message}`;
}

/** Without what is said of `pointer` and of everything below it. */
function without<T>(said: Record<string, T>, pointer: string): Record<string, T> {
  const kept = Object.entries(said).filter(([at]) => at !== pointer && !at.startsWith(`${pointer}/`));
  return Object.fromEntries(kept);
}

function useFaultMessage() {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return ({ code, limit = 0 }: Fault): string =>
    t(`fault.${code}`, { limit: code === 'mediaTooLarge' ? format.bytes(limit) : format.number(limit, 2) });
}
