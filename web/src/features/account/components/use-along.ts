/** What came along to this page, as it was when the page was opened: the fragment that is taken out brings a new state. */
import { useLocation } from '@tanstack/react-router';
import { useState } from 'react';
import { alongOf } from '@/lib/history-state';

export function useAlong() {
  const { state } = useLocation();
  return useState(() => alongOf(state))[0];
}
