/** The state of a form that is drawn from a schema: values, and faults of ours and of the server. */
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { faultsByPointer, isApiError } from '@/lib/problem';
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
  /** The first fault at `pointer` or below it; `placed`: with where it is, for what is written as one text. */
  errorIn: (pointer: string, placed?: boolean) => string | undefined;
  /** The input, or undefined where something is wrong; then it is said at the fields. */
  check: () => Record<string, unknown> | undefined;
  /** The input as far as it goes, faults or not; undefined where there is JSON in it that is none. */
  draft: () => Record<string, unknown> | undefined;
  /** Takes what the server refused; whether all of it is said at the fields. */
  refuse: (error: unknown) => boolean;
}

/** `keep` is told of each change, and not of what was there `initial`ly. */
export function useSchemaForm(form: Form, initial: () => Values, keep: (values: Values) => void): SchemaForm {
  const [values, setValues] = useState(initial);
  const kept = useRef(values);
  useEffect(() => {
    if (values === kept.current) return;
    kept.current = values;
    keep(values);
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
      return fault ? messageOf(fault) : refused[INPUT + pointer];
    },
    errorIn: (pointer, placed = form.free) => {
      const fault = firstIn(faults, pointer);
      if (fault) return messageOf(fault[1]);
      const [at, message] = firstIn(refused, INPUT + pointer) ?? [];
      const place = at?.slice(INPUT.length + pointer.length);
      return placed && place ? `${place}: ${message}` : message;
    },
    check,
    draft: () => {
      try {
        return toInput(form, values);
      } catch {
        return undefined;
      }
    },
    refuse: (error) => {
      setRefused(faultsByPointer(error));
      const fields = form.free
        ? [INPUT]
        : [...form.main, ...form.options].map(({ name }) => `${INPUT}/${name}`);
      const said = isApiError(error) ? error.fields : [];
      return (
        said.length > 0 && said.every(({ pointer = '' }) => fields.some((field) => isIn(pointer, field)))
      );
    },
  };
}

function isIn(at: string, pointer: string): boolean {
  return at === pointer || at.startsWith(`${pointer}/`);
}

function firstIn<T>(said: Record<string, T>, pointer: string): [string, T] | undefined {
  return Object.entries(said).find(([at]) => isIn(at, pointer));
}

/** Without what is said of `pointer` and of everything below it. */
function without<T>(said: Record<string, T>, pointer: string): Record<string, T> {
  const kept = Object.entries(said).filter(([at]) => !isIn(at, pointer));
  return Object.fromEntries(kept);
}

function useFaultMessage() {
  const { t } = useTranslation('playground');
  const format = useFormat();
  return ({ code, limit = 0 }: Fault): string =>
    t(`fault.${code}`, { limit: code === 'mediaTooLarge' ? format.bytes(limit) : format.number(limit, 2) });
}
