/** What a field is called and what it means: in our words where we know it, else as the schema has it. */
import { useTranslation } from 'react-i18next';
import type { Field } from '../../schema/fields';

export function useFieldTexts() {
  const { t, i18n } = useTranslation('schema');
  return ({ name, schema }: Field) => {
    // Names come from the server: keys that the compiler can't know.
    const find = (part: 'title' | 'hint') => {
      const key = `${name}.${part}`;
      return i18n.exists(key, { ns: 'schema' }) ? t(key as 'image.title') : undefined;
    };
    const title = find('title');
    return {
      label: title ?? schema.title ?? name,
      hint: find('hint') ?? (title ? undefined : schema.description),
    };
  };
}
