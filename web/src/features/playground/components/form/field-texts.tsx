/** What a field is called and what it means: the server says it, in the language of the page. */
import type { ReactNode } from 'react';
import { Marked } from '@/components/marked';
import type { Field } from '../../schema/fields';

/** Their field says which files it takes; how they are written matters to programs alone. */
const MEDIA = new Set<Field['kind']>(['image', 'audio']);

export function textsOfField({ name, kind, schema }: Field): { label: string; hint?: ReactNode } {
  const { title = name, description } = schema;
  return { label: title, hint: description && !MEDIA.has(kind) ? <Marked text={description} /> : undefined };
}
