/** TanStack's `useMutation`, of which a double click makes one: a page needs a moment to draw its button as busy. */
import {
  type DefaultError,
  // The one place that has it from there.
  // eslint-disable-next-line no-restricted-imports
  useMutation as useEveryMutation,
  type UseMutationOptions,
  type UseMutationResult,
} from '@tanstack/react-query';
import { useMemo } from 'react';
import { once } from './once';

export function useMutation<Data = unknown, Fault = DefaultError, Variables = void, Context = unknown>(
  options: UseMutationOptions<Data, Fault, Variables, Context>,
): UseMutationResult<Data, Fault, Variables, Context> {
  const mutation = useEveryMutation(options);
  // The observer's own, and so the same as long as the component is there.
  const { mutateAsync: mutateEach } = mutation;
  const mutateAsync = useMemo(() => once(mutateEach), [mutateEach]);
  const mutate = useMemo(
    () =>
      (...args: Parameters<typeof mutateEach>) => {
        // It is in the result, for whoever draws it.
        mutateAsync(...args).catch(() => undefined);
      },
    [mutateAsync],
  );
  return { ...mutation, mutate, mutateAsync };
}
