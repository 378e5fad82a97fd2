/** The fields of options, mostly folded: loaded when one reaches for them. */
import { ChoiceField } from './choice-field';
import type { FieldProps } from './field-props';
import { LabelsField } from './labels-field';
import { NumberField } from './number-field';
import { SwitchField } from './switch-field';

export default function OtherField(props: FieldProps) {
  switch (props.field.kind) {
    case 'labels':
      return <LabelsField {...props} />;
    case 'number':
      return <NumberField {...props} />;
    case 'switch':
      return <SwitchField {...props} />;
    default:
      return <ChoiceField {...props} />;
  }
}
