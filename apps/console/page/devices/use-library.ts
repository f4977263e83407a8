// One library as it is now: fetched, kept up by the live stream, and with what its arm does.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, type LibraryShape, type Robot, unwrap } from '../api.ts';
import { useLive } from '../live/live.tsx';
import { type Arm, advance, afterMove, follow, hear, IDLE_ARM, type Leg } from './arm.ts';

const REFRESH_MS = 15_000;

export interface LibraryNow {
  readonly shape: LibraryShape | undefined;
  readonly problem: Error | null;
  readonly arm: Arm;
  /** The last move that ended, for words. */
  readonly last: Leg | null;
}

export function useLibrary({ number, controlHost }: Robot): LibraryNow {
  const queries = useQueryClient();
  const { stream } = useLive();
  const query = useQuery({
    queryKey: ['library', number],
    queryFn: () =>
      unwrap(api.GET('/api/robots/{robotNumber}', { params: { path: { robotNumber: number } } })),
    refetchInterval: REFRESH_MS,
  });
  const [arm, setArm] = useState<Arm>(IDLE_ARM);
  const [last, setLast] = useState<Leg | null>(null);
  const now = useRef({ arm, shape: query.data });
  now.current.shape = query.data;
  const put = useCallback((next: Arm): void => {
    now.current.arm = next;
    setArm(next);
  }, []);
  const elements = useCallback(() => now.current.shape?.elements ?? [], []);

  useEffect(
    () =>
      stream.listen({
        robot: (event) => {
          if (event.robotNumber !== number || event.host !== controlHost) return;
          const heard = hear(now.current.arm, event, elements(), performance.now());
          put(heard.arm);
          if (heard.behind) void queries.invalidateQueries({ queryKey: ['library', number] });
        },
      }),
    [stream, number, controlHost, queries, put, elements],
  );

  useEffect(() => {
    if (query.data === undefined) return;
    const { moving, elements: seen } = query.data;
    put(follow(now.current.arm, moving, seen, performance.now()));
  }, [query.data, put]);

  useEffect(() => {
    if (arm.leg === null) return;
    const onTime = (): void => {
      const { arm: next, done } = advance(now.current.arm, elements(), performance.now());
      if (done?.outcome === 'made') {
        queries.setQueryData<LibraryShape>(['library', number], (old) =>
          old === undefined
            ? old
            : { ...old, moving: null, elements: afterMove(old.elements, done) },
        );
      }
      if (done !== null) {
        setLast(done);
        void queries.invalidateQueries({ queryKey: ['library', number] });
        void queries.invalidateQueries({ queryKey: ['devices'] });
      }
      put(next);
    };
    const timer = setTimeout(onTime, Math.max(0, arm.leg.untilMs - performance.now()) + 1);
    return () => clearTimeout(timer);
  }, [arm, number, queries, put, elements]);

  return { shape: query.data, problem: query.error, arm, last };
}
