// The one live stream. It goes on by itself where it stopped; when it cannot, listeners hear `gap` and fetch again.
// Its state is shown to people: a page that no longer hears must not look as if nothing happened.

import type { Daemon, Job, Line } from '../api.ts';
import { setServerTime } from './clock.ts';

export interface Change {
  readonly job?: Job;
  readonly line?: Line;
  readonly deletedJobId?: number;
}

export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

export interface StreamState {
  readonly kind: 'connecting' | 'live' | 'lost';
  /** Whether the console itself hears the daemons. */
  readonly bus: boolean;
  /** When it was lost (browser clock), for the banner. */
  readonly sinceMs: number;
}

export interface Listener {
  change?(change: Change, position: Position): void;
  gap?(): void;
  daemon?(daemon: Daemon): void;
}

export interface Stream {
  listen(listener: Listener): () => void;
  state(): StreamState;
  onState(listener: () => void): () => void;
  /** Resolves when the stream is open, or after timeoutMs: lists that begin later miss nothing. */
  opened(timeoutMs: number): Promise<void>;
  close(): void;
}

/** The server pings every ten seconds. */
const SILENT_MAX_MS = 25_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000] as const;

export function parsePosition(cursor: string): Position {
  const [epoch = '0', sequence = '0'] = cursor.split('.');
  return { epoch: Number(epoch), sequence: Number(sequence) };
}

/** True when `a` is after `b`. */
export function isNewer(a: Position, b: Position): boolean {
  return a.epoch === b.epoch ? a.sequence > b.sequence : a.epoch > b.epoch;
}

export function openStream(onLoggedOut: () => void): Stream {
  const listeners = new Set<Listener>();
  const stateListeners = new Set<() => void>();
  let state: StreamState = { kind: 'connecting', bus: true, sinceMs: Date.now() };
  let source: EventSource | null = null;
  let cursor: string | null = null;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let watchdog: ReturnType<typeof setTimeout> | undefined;

  const setState = (kind: StreamState['kind'], bus = state.bus): void => {
    if (state.kind === kind && state.bus === bus) return;
    const sinceMs = kind === state.kind ? state.sinceMs : Date.now();
    state = { kind, bus, sinceMs };
    for (const listener of stateListeners) listener();
  };
  const feedWatchdog = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lose, SILENT_MAX_MS);
  };
  const lose = (): void => {
    source?.close();
    source = null;
    clearTimeout(watchdog);
    setState('lost');
    const pauseMs = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]!;
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(connect, pauseMs);
  };
  const on = <T>(event: string, handle: (data: T, id: string) => void): void => {
    source?.addEventListener(event, (message) => {
      feedWatchdog();
      handle(JSON.parse(message.data as string) as T, message.lastEventId);
    });
  };
  function connect(): void {
    source = new EventSource(`/api/events${cursor === null ? '' : `?after=${cursor}`}`);
    feedWatchdog();
    source.addEventListener('error', () => {
      lose();
      void fetch('/api/session').then(
        ({ status }) => status === 401 && onLoggedOut(),
        () => undefined,
      );
    });
    on<{ nowMs: number; bus: boolean; resumed: boolean }>('hello', ({ nowMs, bus, resumed }) => {
      failures = 0;
      setServerTime(nowMs);
      setState('live', bus);
      if (!resumed) for (const listener of listeners) listener.gap?.();
    });
    on<{ nowMs: number; bus: boolean }>('ping', ({ nowMs, bus }) => {
      setServerTime(nowMs);
      setState('live', bus);
    });
    on<object>('gap', () => {
      for (const listener of listeners) listener.gap?.();
    });
    on<Change>('change', (change, id) => {
      cursor = id;
      const position = parsePosition(id);
      for (const listener of listeners) listener.change?.(change, position);
    });
    on<Daemon>('daemon', (daemon) => {
      for (const listener of listeners) listener.daemon?.(daemon);
    });
    on<object>('bye', onLoggedOut);
  }
  connect();
  return {
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: () => state,
    onState: (listener) => {
      stateListeners.add(listener);
      return () => stateListeners.delete(listener);
    },
    opened: (timeoutMs) =>
      new Promise((resolve) => {
        if (state.kind !== 'connecting') return resolve();
        const done = (): void => {
          stateListeners.delete(done);
          resolve();
        };
        stateListeners.add(done);
        setTimeout(done, timeoutMs);
      }),
    close: () => {
      clearTimeout(retry);
      clearTimeout(watchdog);
      source?.close();
    },
  };
}
