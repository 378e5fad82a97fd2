/** Shown while a page's code or texts are on their way; late, so that quick loads do not flicker. */
import { Center, Loader } from '@mantine/core';
import { useTimeout } from '@mantine/hooks';
import { useState } from 'react';

const PATIENCE_MS = 200;

export function PageLoader() {
  const [shown, setShown] = useState(false);
  useTimeout(() => setShown(true), PATIENCE_MS, { autoInvoke: true });
  return (
    <Center mih="50vh" role="status" aria-busy="true">
      {shown && <Loader />}
    </Center>
  );
}
