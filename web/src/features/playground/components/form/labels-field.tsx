/** A few short texts as pills. Enter or a comma adds one, Backspace takes the last back. */
import { Pill, PillsInput } from '@mantine/core';
import { type KeyboardEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { textsOf } from '../../schema/values';
import type { FieldProps } from './field-props';

export function LabelsField({ field, label, hint, value, onChange, errorIn }: FieldProps) {
  const { t } = useTranslation('playground');
  const [typed, setTyped] = useState('');
  const labels = textsOf(value);

  const add = (texts: string[]) => {
    const fresh = texts.map((text) => text.trim()).filter((text) => text !== '');
    onChange([...new Set([...labels, ...fresh])]);
    setTyped('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && typed.trim() !== '') {
      // With Ctrl the form is sent after it, the new one along.
      event.preventDefault();
      add([typed]);
    } else if (event.key === 'Backspace' && typed === '') {
      onChange(labels.slice(0, -1));
    }
  };

  return (
    <PillsInput label={label} description={hint} error={errorIn()} withAsterisk={field.required}>
      <Pill.Group>
        {labels.map((text, at) => (
          <Pill
            key={text}
            withRemoveButton
            onRemove={() => onChange(labels.filter((_, i) => i !== at))}
            removeButtonProps={{
              'aria-label': t('form.removeLabel', { text }),
              tabIndex: 0,
              'aria-hidden': false,
            }}
          >
            {text}
          </Pill>
        ))}
        <PillsInput.Field
          aria-label={label}
          value={typed}
          placeholder={labels.length === 0 ? t('form.labelHint') : undefined}
          onChange={({ currentTarget }) => {
            const parts = currentTarget.value.split(/[,，、]/);
            if (parts.length > 1) add(parts);
            else setTyped(currentTarget.value);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => add([typed])}
        />
      </Pill.Group>
    </PillsInput>
  );
}
