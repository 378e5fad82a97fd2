/** What every field of a form is given. */
import type { ReactNode } from 'react';
import type { Field } from '../../schema/fields';

export interface FieldProps {
  field: Field;
  label: string;
  hint?: ReactNode;
  value: unknown;
  onChange: (value: unknown) => void;
  /** The fault of the field, or of the part below it that `path` names (`/3`). */
  errorAt: (path?: string) => string | undefined;
  /** The first fault there or below: for what has no parts to show one at. */
  errorIn: (path?: string) => string | undefined;
}
