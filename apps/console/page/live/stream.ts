// The one live stream. It goes on by itself where it stopped; when it cannot, listeners hear `gap` and fetch again.
// Its state is shown to people: a page that no longer hears must not look as if nothing happened.

import type { Daemon, Job, Line } from '../api.ts';
import { setServerTime } from './clock.ts';

export interface Change {
  readonly job?: Job;
  readonly line?: Line;
  readonly deletedJobId?: number;
}

export interface RobotEvent {
  readonly robotNumber: number;
  readonly host: string;
  readonly from: number;
  readonly to: number;
  /** began, made or failed. */
  readonly phase: string;
}

export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

export interface StreamState {
  readonly kind: 'connecting' | 'live' | 'lost';
  /** Whether the console itself hears the daemons. */
  readonly bus: boolean;
  /** Since when it is so (browser clock). */
  readonly sinceMs: number;
}

export interface Listener {
  change?(change: Change, position: Position): void;
  gap?(): void;
  daemon?(daemon: Daemon): void;
  robot?(event: RobotEvent): void;
  /** Devices or volumes are no longer as they were. */
  devices?(): void;
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
  const store = makeStateStore();
  let cursor: string | null = null;
  const link = keepConnected({
    address: () => `/api/events${cursor === null ? '' : `?after=${cursor}`}`,
    onLost: () => {
      store.set('lost');
      void fetch('/api/session').then(
        ({ status }) => status === 401 && onLoggedOut(),
        () => undefined,
      );
    },
    handlers: {
      hello: ({ nowMs, bus, resumed }: { nowMs: number; bus: boolean; resumed: boolean }) => {
        setServerTime(nowMs);
        store.set('live', bus);
        if (!resumed) for (const listener of listeners) listener.gap?.();
      },
      ping: ({ nowMs, bus }: { nowMs: number; bus: boolean }) => {
        setServerTime(nowMs);
        store.set('live', bus);
      },
      gap: () => {
        for (const listener of listeners) listener.gap?.();
      },
      change: (change: Change, id: string) => {
        cursor = id;
        const position = parsePosition(id);
        for (const listener of listeners) listener.change?.(change, position);
      },
      daemon: (daemon: Daemon) => {
        for (const listener of listeners) listener.daemon?.(daemon);
      },
      robot: (event: RobotEvent) => {
        for (const listener of listeners) listener.robot?.(event);
      },
      devices: () => {
        for (const listener of listeners) listener.devices?.();
      },
      bye: onLoggedOut,
    },
  });
  return {
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: store.state,
    onState: store.onState,
    opened: store.opened,
    close: link.close,
  };
}

interface StateStore extends Pick<Stream, 'state' | 'onState' | 'opened'> {
  set(kind: StreamState['kind'], bus?: boolean): void;
}

function makeStateStore(): StateStore {
  const listeners = new Set<() => void>();
  let state: StreamState = { kind: 'connecting', bus: true, sinceMs: Date.now() };
  return {
    state: () => state,
    set: (kind, bus = state.bus) => {
      if (state.kind === kind && state.bus === bus) return;
      state = { kind, bus, sinceMs: kind === state.kind ? state.sinceMs : Date.now() };
      for (const listener of listeners) listener();
    },
    onState: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    opened: (timeoutMs) =>
      new Promise((resolve) => {
        if (state.kind !== 'connecting') return resolve();
        const done = (): void => {
          listeners.delete(done);
          resolve();
        };
        listeners.add(done);
        setTimeout(done, timeoutMs);
      }),
  };
}

interface Link {
  readonly address: () => string;
  readonly onLost: () => void;
  /** By event name: its data, and the position that it stands for. */
  readonly handlers: Readonly<Record<string, (data: never, id: string) => void>>;
}

/** An EventSource that is opened anew when it breaks, and when it has been silent for too long. */
function keepConnected({ address, onLost, handlers }: Link): { close(): void } {
  let source: EventSource | null = null;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  const lose = (): void => {
    source?.close();
    source = null;
    clearTimeout(watchdog);
    clearTimeout(retry);
    onLost();
    retry = setTimeout(connect, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]!);
    failures += 1;
  };
  const feedWatchdog = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lose, SILENT_MAX_MS);
  };
  function connect(): void {
    const opened = new EventSource(address());
    source = opened;
    feedWatchdog();
    opened.addEventListener('error', lose);
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (message) => {
        failures = 0;
        feedWatchdog();
        handle(JSON.parse(message.data as string) as never, message.lastEventId);
      });
    }
  }
  connect();
  return {
    close: () => {
      clearTimeout(retry);
      clearTimeout(watchdog);
      source?.close();
    },
  };
}
