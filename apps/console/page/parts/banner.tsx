// Says that what is shown is not live, since when, and that it catches up by itself.

import type { ReactNode } from 'react';
import { useNow } from '../live/clock.ts';
import { useStreamState } from '../live/live.tsx';
import { durationWords } from '../words.ts';

export function StreamBanner(): ReactNode {
  const { kind, bus, sinceMs } = useStreamState();
  useNow();
  if (kind === 'lost') {
    return (
      <div className="banner" role="alert">
        The live stream is lost for {durationWords(Date.now() - sinceMs)}: what you see may be old.
        Connecting again; the page then catches up by itself.
      </div>
    );
  }
  if (kind === 'live' && !bus) {
    return (
      <div className="banner" role="alert">
        The console has lost the message bus: what you see may be old. Jobs that run go on; the page
        catches up when the bus is back.
      </div>
    );
  }
  return null;
}
