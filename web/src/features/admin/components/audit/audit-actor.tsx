/** Who did it: a person by name, a program by its token, everybody else by what they are. */
import { Code, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { AuditActor as Actor } from '@/api/generated';
import { UserName } from '../user-name';

const kinds = ['user', 'token', 'guest', 'anonymous', 'operator', 'system'] as const;

export function AuditActor({ actor }: { actor: Actor }) {
  const { t } = useTranslation('admin');
  if (actor.kind === 'user' && actor.id) return <UserName id={actor.id} />;
  const kind = kinds.find((name) => name === actor.kind);
  return (
    <Text span inherit>
      {kind ? t(`audit.kind.${kind}`) : actor.kind}
      {actor.id && (
        <>
          {' '}
          <Code>{actor.id}</Code>
        </>
      )}
    </Text>
  );
}
