// A time as its age, with the exact one on hover.

import type { ReactNode } from 'react';
import { useNow } from '../live/clock.ts';
import { exactTime, relativeWords } from '../words.ts';

export function Ago({ atMs }: { readonly atMs: number | null }): ReactNode {
  const nowMs = useNow();
  if (atMs === null) return <span className="dim">–</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={exactTime(atMs)}>
      {relativeWords(atMs, nowMs)}
    </time>
  );
}
