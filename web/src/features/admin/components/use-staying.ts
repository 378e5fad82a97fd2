/** Whether one is still here: what was typed into a filter comes late, and must not call off the way to another page. */
import { useRouter } from '@tanstack/react-router';

export function useStaying(): () => boolean {
  const router = useRouter();
  return () => router.latestLocation.pathname === router.state.resolvedLocation?.pathname;
}
