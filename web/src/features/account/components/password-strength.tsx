/** How well a password holds against guessing. Its dictionaries are large: loaded with the first letter typed. */
import { Progress, Text } from '@mantine/core';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import * as common from '@zxcvbn-ts/language-common';
import * as english from '@zxcvbn-ts/language-en';
import { useDeferredValue, useMemo } from 'react';
import { useTranslation } from 'react-i18next';

const COLORS = ['red', 'red', 'orange', 'teal', 'teal'] as const;
const zxcvbn = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary },
  graphs: common.adjacencyGraphs,
});

interface PasswordStrengthProps {
  password: string;
  personal: string[];
}

export default function PasswordStrength({ password, personal }: PasswordStrengthProps) {
  const { t } = useTranslation('account');
  const judged = useDeferredValue(password);
  const words = personal.flatMap((text) => text.split(/[^\p{L}\p{N}]+/u)).filter((word) => word.length > 2);
  const key = words.join(' ');
  const score = useMemo(() => zxcvbn.check(judged, key.split(' ')).score, [judged, key]);
  return (
    <>
      <Progress
        value={(score + 1) * 20}
        color={COLORS[score]}
        size="xs"
        mt={8}
        aria-label={t('password.strength')}
      />
      <Text size="xs" c="dimmed" mt={4} aria-live="polite">
        {t(`password.score.${score}`)}
      </Text>
    </>
  );
}
