// Hears the live events of the bus and hands them to every open page as server-sent events. Promises that a reader
// gets each change after its position once and in order, or is told that there is a gap and must fetch again.

import type { Bus, Subscription } from '@tapestry/bus';
import type { Heartbeat, JobView } from '@tapestry/contracts';
import { type Board, hearBeat, listDaemons as listBoard } from '../core/daemon-board.ts';
import {
  addToRing,
  breakRing,
  checkRing,
  emptyRing,
  formatCursor,
  type Ring,
  resumeFrom,
} from '../core/event-ring.ts';
import { integer, toApiJob, toApiLine } from '../core/job-form.ts';
import { addSample, type Throughput } from '../core/throughput.ts';
import type { ApiDaemon, ApiJob, ApiLine, ApiSample } from '../schemas.ts';

/** Data of an `event: change`. */
export interface Change {
  readonly job?: ApiJob;
  readonly line?: ApiLine;
  readonly deletedJobId?: number;
}

export interface Reader {
  /** Must not wait and must not throw: a reader that cannot keep up drops itself. */
  send(frame: string): void;
}

export interface EventFeed {
  /** Sends `hello`, then what was missed or `gap`, then everything as it comes. Returns how to leave. */
  open(reader: Reader, after: string | undefined): () => void;
  cursorAt(sequence: number): string;
  daemons(): ApiDaemon[];
  samplesOf(jobId: number): readonly ApiSample[];
  /** Newest points of the jobs that move now. */
  movingSamples(): Record<string, ApiSample[]>;
  readers(): number;
  stop(): Promise<void>;
}

export interface FeedPorts {
  readonly bus: Bus;
  readonly clock: { nowMs(): number };
}

const RING_LIMITS = { eventsMax: 10_000 };
const TICK_MS = 1_000;
const PING_TICKS = 10;
const CHECK_TICKS = 5;
const MOVING_WITHIN_MS = 60_000;
const ROW_POINTS = 60;
const PUBLISHERS_MAX = 1_000;

export function frame(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export async function startFeed({ bus, clock }: FeedPorts): Promise<EventFeed> {
  let ring: Ring<Change> = emptyRing(clock.nowMs());
  let board: Board = new Map();
  const throughput: Throughput = new Map();
  const readers = new Set<Reader>();
  const bpjobdSeen = new Set<string>();
  const sendAll = (text: string): void => {
    for (const reader of readers) reader.send(text);
  };
  const gap = (): void => sendAll(frame('gap', {}));

  const hearView = (view: JobView): void => {
    const change = changeOf(view);
    const { job } = change;
    if (job?.state === 'active') addSample(throughput, job, clock.nowMs());
    const result = addToRing(
      ring,
      { sequence: integer(view.sequence), event: change },
      RING_LIMITS,
    );
    ring = result.ring;
    if (result.added === 'repeat') return;
    if (result.added === 'gap') gap();
    sendAll(frame('change', change, formatCursor(ring.epoch, integer(view.sequence))));
  };

  const hearHeartbeat = (beat: Heartbeat, service: string, host: string): void => {
    const known = { ...plainBeat(beat), service, host };
    board = hearBeat(board, known, clock.nowMs());
    if (service === 'bpjobd' && isNewProcess(bpjobdSeen, known)) {
      // A started bpjobd may number its changes anew: no position from before counts.
      ring = breakRing(ring);
      gap();
    }
    const daemon = listBoard(board, clock.nowMs()).find(
      (row) => row.service === service && row.pid === known.pid && row.host === host,
    );
    if (daemon !== undefined) sendAll(frame('daemon', daemon));
  };

  const subscriptions: Subscription[] = [
    await bus.hear('JobView', hearView),
    await bus.hear('Heartbeat', (beat, publisher) =>
      hearHeartbeat(beat, publisher.service, publisher.host ?? ''),
    ),
  ];
  let awaited: number | null = null;
  const check = async (): Promise<void> => {
    if (readers.size === 0) return;
    const newestBefore = ring.newest;
    const reply = await bus.client('bpjobd').ListJobs({ limit: 1 });
    const result = checkRing(ring, { newestBefore, told: integer(reply.sequence), awaited });
    ({ ring, awaited } = result);
    if (result.lost) gap();
  };
  const watch = watchBus(bus, {
    onBack: () => {
      ring = breakRing(ring);
      gap();
    },
    // bpjobd being away is no news here: its pages of jobs say so to those who ask.
    onCheck: () => void check().catch(() => undefined),
    onPing: () => sendAll(frame('ping', { nowMs: clock.nowMs(), bus: bus.connected() })),
  });

  return {
    open: (reader, after) => {
      const missed = after === undefined ? null : resumeFrom(ring, after);
      const hello = { nowMs: clock.nowMs(), bus: bus.connected(), resumed: missed !== null };
      reader.send(`retry: 2000\n${frame('hello', hello)}`);
      for (const { sequence, event } of missed ?? []) {
        reader.send(frame('change', event, formatCursor(ring.epoch, sequence)));
      }
      readers.add(reader);
      return () => readers.delete(reader);
    },
    cursorAt: (sequence) => formatCursor(ring.epoch, sequence),
    daemons: () => listBoard(board, clock.nowMs()),
    samplesOf: (jobId) => throughput.get(jobId) ?? [],
    movingSamples: () => moving(throughput, clock.nowMs()),
    readers: () => readers.size,
    stop: async () => {
      watch.stop();
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      readers.clear();
    },
  };
}

function changeOf(view: JobView): Change {
  const jobId = view.job?.jobId ?? view.line?.jobId ?? 0n;
  if (view.deleted) return { deletedJobId: integer(jobId) };
  return {
    ...(view.job === null ? {} : { job: toApiJob(view.job) }),
    ...(view.line === null ? {} : { line: toApiLine(view.line) }),
  };
}

function plainBeat(beat: Heartbeat): Parameters<typeof hearBeat>[1] {
  const { pid, ready, reason, leader, version, service, host } = beat;
  const startedMs = integer(beat.startedMs);
  const rssBytes = integer(beat.rssBytes);
  return { pid, ready, reason, leader, version, service, host, startedMs, rssBytes };
}

/** True for a process not heard of before, except the first of all. */
function isNewProcess(
  seen: Set<string>,
  { pid, startedMs }: { pid: number; startedMs: number },
): boolean {
  const key = `${pid}/${startedMs}`;
  if (seen.has(key)) return false;
  const first = seen.size === 0;
  if (seen.size >= PUBLISHERS_MAX) seen.clear();
  seen.add(key);
  return !first;
}

interface BusWatch {
  onBack(): void;
  onCheck(): void;
  onPing(): void;
}

/** Tells when the bus was seen to be away and is back; pings and checks in between. */
function watchBus(bus: Bus, { onBack, onCheck, onPing }: BusWatch): { stop(): void } {
  let connected = bus.connected();
  let ticks = 0;
  const timer = setInterval(() => {
    const now = bus.connected();
    if (now && !connected) onBack();
    ticks += 1;
    if (now !== connected || ticks % PING_TICKS === 0) onPing();
    if (now && ticks % CHECK_TICKS === 0) onCheck();
    connected = now;
  }, TICK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function moving(throughput: Throughput, nowMs: number): Record<string, ApiSample[]> {
  const found: Record<string, ApiSample[]> = {};
  for (const [jobId, samples] of throughput) {
    const last = samples.at(-1);
    if (last !== undefined && last.atMs > nowMs - MOVING_WITHIN_MS) {
      found[String(jobId)] = samples.slice(-ROW_POINTS);
    }
  }
  return found;
}
