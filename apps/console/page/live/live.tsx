// What lives as long as a login: the stream, the speeds, and what is told to the cached answers.

import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react';
import type { Daemon, JobDetail } from '../api.ts';
import { openSeries, type Series } from './series.ts';
import { type Change, openStream, type Position, type Stream, type StreamState } from './stream.ts';

interface Live {
  readonly stream: Stream;
  readonly series: Series;
}

const LiveContext = createContext<Live | null>(null);

const OVERVIEW_EVERY_MS = 2_000;
const DEVICES_EVERY_MS = 2_000;
const TRIES_AFTER_MS = 300;
const OUTCOMES_MAX = 20_000;

export function LiveProvider({
  children,
  onLoggedOut,
}: {
  readonly children: ReactNode;
  readonly onLoggedOut: () => void;
}): ReactNode {
  const queries = useQueryClient();
  const [live, setLive] = useState<Live | null>(null);
  useEffect(() => {
    const stream = openStream(onLoggedOut);
    setLive({ stream, series: openSeries(stream) });
    const stop = keepFresh(stream, queries);
    return () => {
      stop();
      stream.close();
    };
  }, [onLoggedOut, queries]);
  return live === null ? null : <LiveContext value={live}>{children}</LiveContext>;
}

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error('used outside of a login');
  return live;
}

export function useStreamState(): StreamState {
  const { stream } = useLive();
  return useSyncExternalStore(stream.onState, stream.state);
}

/** Writes what the stream tells into the cached answers: open jobs, daemons, and the counts. */
function keepFresh(stream: Stream, queries: QueryClient): () => void {
  const outcomes = new Map<number, string>();
  const overview = throttle(OVERVIEW_EVERY_MS, () =>
    queries.invalidateQueries({ queryKey: ['overview'] }),
  );
  const devices = throttle(DEVICES_EVERY_MS, () =>
    Promise.all(
      ['devices', 'library', 'volumes'].map((key) =>
        queries.invalidateQueries({ queryKey: [key] }),
      ),
    ),
  );
  const details = new Map<number, ReturnType<typeof setTimeout>>();
  const refetchJob = (jobId: number): void => {
    clearTimeout(details.get(jobId));
    const refetch = (): void => {
      details.delete(jobId);
      void queries.invalidateQueries({ queryKey: ['job', jobId] });
    };
    details.set(jobId, setTimeout(refetch, TRIES_AFTER_MS));
  };
  const stop = stream.listen({
    change: (change, position) => {
      const jobId = change.job?.jobId ?? change.line?.jobId;
      if (jobId !== undefined) tellJob(queries, jobId, change, position, refetchJob);
      if (change.deletedJobId !== undefined) overview();
      if (change.job === undefined || outcomes.get(change.job.jobId) === change.job.outcome) return;
      if (outcomes.size > OUTCOMES_MAX) outcomes.clear();
      outcomes.set(change.job.jobId, change.job.outcome);
      overview();
      devices();
    },
    gap: () => void queries.invalidateQueries(),
    devices,
    daemon: (daemon) => {
      queries.setQueryData<{ daemons: Daemon[] }>(['daemons'], (old) => {
        if (old === undefined) return undefined;
        if (!old.daemons.some(({ key }) => key === daemon.key)) {
          void queries.invalidateQueries({ queryKey: ['daemons'] });
        }
        return { daemons: old.daemons.map((row) => (row.key === daemon.key ? daemon : row)) };
      });
    },
  });
  return () => {
    stop();
    overview.cancel();
    devices.cancel();
    for (const timer of details.values()) clearTimeout(timer);
  };
}

function tellJob(
  queries: QueryClient,
  jobId: number,
  change: Change,
  position: Position,
  refetch: (jobId: number) => void,
): void {
  queries.setQueryData<JobDetail>(['job', jobId], (old) => {
    if (old === undefined) return undefined;
    const { job, line } = change;
    const cursor = `${position.epoch}.${position.sequence}`;
    // Tries are not in the stream: a new one, or an end, is fetched.
    if (job !== undefined && (job.try !== old.job.try || job.state !== old.job.state))
      refetch(jobId);
    const isNew = line !== undefined && (old.lines.at(-1)?.number ?? 0) < line.number;
    return {
      ...old,
      cursor,
      job: job ?? old.job,
      lines: isNew ? [...old.lines, line] : old.lines,
    };
  });
}

/** Calls at once, and then at most once in everyMs. */
function throttle(everyMs: number, call: () => unknown): { (): void; cancel(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again = false;
  const fire = (): void => {
    again = false;
    call();
    timer = setTimeout(() => {
      timer = undefined;
      if (again) fire();
    }, everyMs);
  };
  const throttled = (): void => {
    if (timer === undefined) fire();
    else again = true;
  };
  return Object.assign(throttled, { cancel: () => clearTimeout(timer) });
}
