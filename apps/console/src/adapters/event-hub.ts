// Turns what the bus tells into server-sent events for every open page. Promises that a reader gets each change
// after its position once and in order, or is told that there is a gap and must fetch again.

import type { Heartbeat, JobView, RobotMoved } from '@tapestry/contracts';
import { type Board, hearBeat, listDaemons } from '../core/daemon-board.ts';
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
import { addSample, movingSamples, type Throughput } from '../core/throughput.ts';
import type { ApiDaemon, ApiJob, ApiLine, ApiSample } from '../schemas.ts';

/** Data of an `event: change`. */
export interface Change {
  readonly job?: ApiJob;
  readonly line?: ApiLine;
  readonly deletedJobId?: number;
}

/** Data of an `event: robot`: the arm begins a move, or has ended one. */
export interface ArmEvent {
  readonly robotNumber: number;
  /** The media server that told so. */
  readonly host: string;
  readonly from: number;
  readonly to: number;
  readonly phase: string;
}

export interface Reader {
  /** Must not wait and must not throw: a reader that cannot keep up drops itself. */
  send(frame: string): void;
}

/** What the routes see. */
export interface EventSource {
  /** Sends `hello`, then what was missed, then everything as it comes. Returns how to leave. */
  open(reader: Reader, after: string | undefined): () => void;
  cursorAt(sequence: number): string;
  daemons(): ApiDaemon[];
  samplesOf(jobId: number): readonly ApiSample[];
  /** Newest points of the jobs that move now. */
  movingSamples(): Record<string, ApiSample[]>;
  readers(): number;
}

export interface EventHub extends EventSource {
  hearView(view: JobView): void;
  /** `service` and `host` as the bus vouches for them. */
  hearHeartbeat(beat: Heartbeat, service: string, host: string): void;
  hearRobot(move: RobotMoved, host: string): void;
  /** Devices or volumes are no longer as they were: readers fetch them again. */
  hearDevices(): void;
  /** Changes may have been missed: every reader must fetch again. */
  lose(): void;
  ping(): void;
  newest(): number | null;
  /** Compares with bpjobd's newest change; what stays missing over two checks is a gap. */
  check(told: number, newestBefore: number | null): void;
  close(): void;
}

const RING_LIMITS = { eventsMax: 10_000 };
const PROCESSES_MAX = 1_000;

export function frame(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export interface HubPorts {
  nowMs(): number;
  /** Whether the console itself hears the bus. */
  connected(): boolean;
}

export function makeHub({ nowMs, connected }: HubPorts): EventHub {
  let ring: Ring<Change> = emptyRing(nowMs());
  let awaited: number | null = null;
  const readers = new Set<Reader>();
  const throughput: Throughput = new Map();
  const daemons = makeDaemons(nowMs);
  const sendAll = (text: string): void => {
    for (const reader of readers) reader.send(text);
  };
  const gap = (): void => sendAll(frame('gap', {}));
  const lose = (): void => {
    ring = breakRing(ring);
    gap();
  };
  return {
    hearView: (view) => {
      const change = changeOf(view);
      if (change.job?.state === 'active') addSample(throughput, change.job, nowMs());
      const sequence = integer(view.sequence);
      const result = addToRing(ring, { sequence, event: change }, RING_LIMITS);
      ring = result.ring;
      if (result.added === 'repeat') return;
      if (result.added === 'gap') gap();
      sendAll(frame('change', change, formatCursor(ring.epoch, sequence)));
    },
    hearHeartbeat: (beat, service, host) => {
      const { daemon, restarted } = daemons.hear(beat, service, host);
      // A started bpjobd may number its changes anew: no position from before counts.
      if (service === 'bpjobd' && restarted) lose();
      if (daemon !== undefined) sendAll(frame('daemon', daemon));
    },
    hearRobot: ({ robotNumber, fromAddress: from, toAddress: to, phase }, host) => {
      const event: ArmEvent = { robotNumber, host, from, to, phase };
      sendAll(frame('robot', event));
    },
    hearDevices: () => sendAll(frame('devices', {})),
    lose,
    ping: () => sendAll(frame('ping', { nowMs: nowMs(), bus: connected() })),
    newest: () => ring.newest,
    check: (told, newestBefore) => {
      const result = checkRing(ring, { newestBefore, told, awaited });
      ({ ring, awaited } = result);
      if (result.lost) gap();
    },
    open: (reader, after) => {
      const missed = after === undefined ? null : resumeFrom(ring, after);
      const hello = { nowMs: nowMs(), bus: connected(), resumed: missed !== null };
      reader.send(`retry: 2000\n${frame('hello', hello)}`);
      for (const { sequence, event } of missed ?? []) {
        reader.send(frame('change', event, formatCursor(ring.epoch, sequence)));
      }
      readers.add(reader);
      return () => readers.delete(reader);
    },
    cursorAt: (sequence) => formatCursor(ring.epoch, sequence),
    daemons: daemons.list,
    samplesOf: (jobId) => throughput.get(jobId) ?? [],
    movingSamples: () => movingSamples(throughput, nowMs()),
    readers: () => readers.size,
    close: () => readers.clear(),
  };
}

interface Daemons {
  hear(
    beat: Heartbeat,
    service: string,
    host: string,
  ): { daemon: ApiDaemon | undefined; restarted: boolean };
  list(): ApiDaemon[];
}

function makeDaemons(nowMs: () => number): Daemons {
  let board: Board = new Map();
  const processes = new Map<string, Set<string>>();
  return {
    list: () => listDaemons(board, nowMs()),
    hear: (beat, service, host) => {
      const { pid, ready, reason, leader, version } = beat;
      const startedMs = integer(beat.startedMs);
      const rssBytes = integer(beat.rssBytes);
      const known = { service, host, pid, ready, reason, leader, version, startedMs, rssBytes };
      board = hearBeat(board, known, nowMs());
      const daemon = listDaemons(board, nowMs()).find(
        (row) => row.service === service && row.pid === pid && row.host === host,
      );
      return { daemon, restarted: isNewProcess(processes, service, `${pid}/${startedMs}`) };
    },
  };
}

/** True for a process of a service not heard of before, except the first. */
function isNewProcess(
  processes: Map<string, Set<string>>,
  service: string,
  process: string,
): boolean {
  const seen = processes.get(service) ?? new Set();
  processes.set(service, seen);
  if (seen.has(process)) return false;
  const first = seen.size === 0;
  if (seen.size >= PROCESSES_MAX) seen.clear();
  seen.add(process);
  return !first;
}

function changeOf(view: JobView): Change {
  const jobId = view.job?.jobId ?? view.line?.jobId ?? 0n;
  if (view.deleted) return { deletedJobId: integer(jobId) };
  return {
    ...(view.job === null ? {} : { job: toApiJob(view.job) }),
    ...(view.line === null ? {} : { line: toApiLine(view.line) }),
  };
}
