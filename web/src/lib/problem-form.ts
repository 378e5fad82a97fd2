/** A form whose faults are shown beside its fields: ours before it is sent, the server's after. */
import { useForm, type UseFormInput } from '@mantine/form';
import { useState } from 'react';
import { ApiError } from './problem';

/** The values are the request's body: the pointer `/email` is the field `email`. */
export function useProblemForm<Values extends Record<string, unknown>>(input: UseFormInput<Values>) {
  const form = useForm<Values>(input);
  const [failure, setFailure] = useState<unknown>();

  /** Shows what was refused; what belongs to no field is kept for `ProblemAlert`. */
  const refuse = (error: unknown) => {
    const faults = error instanceof ApiError ? error.fields : [];
    const known = faults.filter(({ pointer }) => pointer !== undefined && nameOf(pointer) in form.values);
    for (const { pointer = '', detail } of known) form.setFieldError(nameOf(pointer), detail);
    setFailure(known.length > 0 && known.length === faults.length ? undefined : error);
  };
  const clear = () => setFailure(undefined);
  return { form, failure, refuse, clear };
}

function nameOf(pointer: string): string {
  return pointer.slice(1).replaceAll('/', '.');
}
