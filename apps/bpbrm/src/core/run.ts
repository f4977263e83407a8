// One run: bptm's stream and ndmpagent's session, and what each of their states makes of it. Level-triggered: a state that is
// seen twice, late or after a restart changes nothing that it changed before.

import type {
  Address,
  DataPath,
  EnvVar,
  RunResult,
  SessionState,
  Status,
  StreamState,
} from '@tapestry/contracts';
import { type ChildFailure, fold, OK, restoreStatus } from './fold.ts';

export interface Run {
  /** A label has a stream alone, and no data moves in it. */
  readonly kind: 'backup' | 'restore' | 'label';
  readonly backupId: string;
  readonly startedMs: number;
  readonly stream: StreamState | null;
  readonly session: SessionState | null;
  readonly sessionAsked: boolean;
  readonly finishAsked: boolean;
  readonly cancel: Status | null;
  /** What each child was told when we ended it. */
  readonly streamTold: Status | null;
  readonly sessionTold: Status | null;
  /** A child that cannot be asked any more is as over as one that said so. */
  readonly streamLost: Status | null;
  readonly sessionLost: Status | null;
  /** When bytes, files or a phase last changed. */
  readonly movedMs: number;
  readonly endingMs: number;
  readonly result: RunResult | null;
}

export type RunEvent =
  | { readonly type: 'started' }
  | { readonly type: 'resumed' }
  | { readonly type: 'stream'; readonly state: StreamState }
  | { readonly type: 'session'; readonly state: SessionState }
  | { readonly type: 'streamLost'; readonly status: Status }
  | { readonly type: 'sessionLost'; readonly status: Status }
  | { readonly type: 'cancelled'; readonly reason: Status }
  | { readonly type: 'tick' };

export type RunEffect =
  | { readonly do: 'openStream' }
  | {
      readonly do: 'startSession';
      readonly addresses: readonly Address[];
      readonly dataPath: DataPath;
    }
  | {
      readonly do: 'finishStream';
      readonly expectedBytes: bigint;
      readonly env: readonly EnvVar[];
    }
  | { readonly do: 'abortStream'; readonly reason: Status }
  | { readonly do: 'abortSession'; readonly reason: Status }
  | { readonly do: 'end' };

export interface RunStep {
  readonly run: Run;
  readonly effects: readonly RunEffect[];
}

export interface RunLimits {
  /** From the start until data moves. */
  readonly startTimeoutMs: number;
  /** Without a byte or a file more, while data moves. */
  readonly silentTimeoutMs: number;
  /** From the filer's end until both children are done. */
  readonly endTimeoutMs: number;
  /** Of a label or an erasure, from the start to the end. */
  readonly labelTimeoutMs: number;
  /** From the order to end until both children have. */
  readonly abortTimeoutMs: number;
}

export function newRun(kind: Run['kind'], backupId: string, nowMs: number): Run {
  return {
    ...{ kind, backupId, startedMs: nowMs, stream: null, session: null, sessionAsked: false },
    ...{ finishAsked: false, cancel: null, streamTold: null, sessionTold: null },
    ...{ streamLost: null, sessionLost: null, movedMs: nowMs, endingMs: 0, result: null },
  };
}

export function step(run: Run, event: RunEvent, nowMs: number, limits: RunLimits): RunStep {
  if (run.result !== null) return { run, effects: event.type === 'resumed' ? [{ do: 'end' }] : [] };
  switch (event.type) {
    case 'started':
      return { run, effects: [{ do: 'openStream' }] };
    case 'resumed':
      return advance(asAfterRestart(run, nowMs), nowMs, [
        ...(run.stream === null ? [{ do: 'openStream' } as const] : []),
      ]);
    case 'stream':
      return advance(moved({ ...run, stream: event.state }, run, nowMs), nowMs);
    case 'session':
      return advance(moved({ ...run, session: event.state }, run, nowMs), nowMs);
    case 'streamLost':
      // One that we ended and that is gone is gone for our reason.
      return advance({ ...run, streamLost: run.streamTold ?? event.status }, nowMs);
    case 'sessionLost':
      return advance({ ...run, sessionLost: run.sessionTold ?? event.status }, nowMs);
    case 'cancelled':
      return advance({ ...run, cancel: run.cancel ?? event.reason }, nowMs);
    case 'tick':
      return onTick(run, nowMs, limits);
  }
}

/** Whether the last calls reached the children before we died is not known: all of them are safe to repeat. */
function asAfterRestart(run: Run, nowMs: number): Run {
  const sessionAsked = run.session !== null;
  const unasked = { sessionAsked, finishAsked: false, streamTold: null, sessionTold: null };
  return { ...run, ...unasked, movedMs: nowMs };
}

/** What is to be done next, from what is known now. */
function advance(run: Run, nowMs: number, first: readonly RunEffect[] = []): RunStep {
  const cause = failureOf(run);
  if (cause !== null) return wind(run, cause, nowMs, first);
  const { stream, session } = run;
  if (stream === null) return { run, effects: first };
  const effects: RunEffect[] = [...first];
  let next = run;
  if (run.kind === 'label') {
    if (stream.phase !== 'STREAM_PHASE_DONE') return { run, effects };
    return ended(run, OK, effects);
  }
  if (
    !next.sessionAsked &&
    (stream.addresses.length > 0 || stream.dataPath === 'DATA_PATH_LOCAL')
  ) {
    const { addresses, dataPath } = stream;
    effects.push({ do: 'startSession', addresses, dataPath });
    next = { ...next, sessionAsked: true };
  }
  if (!next.finishAsked && session?.halted === true) {
    const expectedBytes = run.kind === 'backup' ? session.haltedBytes : 0n;
    effects.push({ do: 'finishStream', expectedBytes, env: session.env });
    next = { ...next, finishAsked: true, endingMs: nowMs };
  }
  if (stream.phase === 'STREAM_PHASE_DONE' && session?.phase === 'SESSION_PHASE_DONE') {
    effects.push({ do: 'end' });
    next = { ...next, result: goodResult(next, nowMs) };
  }
  return { run: next, effects };
}

/** Ends what still runs, and the run once nothing does. */
function wind(run: Run, cause: Status, nowMs: number, first: readonly RunEffect[]): RunStep {
  const effects: RunEffect[] = [...first];
  const isTold = run.streamTold !== null || run.sessionTold !== null;
  let next: Run = isTold ? run : { ...run, endingMs: nowMs };
  if (!streamOver(next) && next.streamTold === null) {
    effects.push({ do: 'abortStream', reason: cause });
    next = { ...next, streamTold: cause };
  }
  if (!sessionOver(next) && next.sessionTold === null) {
    effects.push({ do: 'abortSession', reason: cause });
    next = { ...next, sessionTold: cause };
  }
  if (!streamOver(next) || !sessionOver(next)) return { run: next, effects };
  return ended(next, failureOf(next) ?? cause, effects);
}

function ended(run: Run, status: Status, effects: readonly RunEffect[]): RunStep {
  const result: RunResult = { status, image: null, restore: restoreOf(run) };
  return { run: { ...run, result }, effects: [...effects, { do: 'end' }] };
}

function streamOver({ stream, streamLost }: Run): boolean {
  return (
    streamLost !== null ||
    stream?.phase === 'STREAM_PHASE_FAILED' ||
    stream?.phase === 'STREAM_PHASE_DONE'
  );
}

function sessionOver({ session, sessionLost, sessionAsked }: Run): boolean {
  return (
    !sessionAsked ||
    sessionLost !== null ||
    session?.phase === 'SESSION_PHASE_FAILED' ||
    session?.phase === 'SESSION_PHASE_DONE'
  );
}

function failureOf(run: Run): Status | null {
  const { stream, session } = run;
  const streamStatus =
    stream?.phase === 'STREAM_PHASE_FAILED' ? (stream.status ?? UNEXPLAINED) : run.streamLost;
  const sessionStatus =
    session?.phase === 'SESSION_PHASE_FAILED' ? (session.status ?? UNEXPLAINED) : run.sessionLost;
  return fold({
    cancel: run.cancel,
    stream: withTold(streamStatus, run.streamTold),
    session: withTold(sessionStatus, run.sessionTold),
  });
}

function withTold(status: Status | null, told: Status | null): ChildFailure | null {
  return status === null ? null : { status, told };
}

const UNEXPLAINED: Status = {
  ...{ code: 130, name: 'systemError', detail: 'it failed without a status', context: {} },
};

function onTick(run: Run, nowMs: number, limits: RunLimits): RunStep {
  const telling = run.streamTold !== null || run.sessionTold !== null;
  if (telling) {
    if (nowMs - run.endingMs < limits.abortTimeoutMs) return { run, effects: [] };
    // They were told; what they hold, their own daemons give back.
    return ended(run, failureOf(run) ?? UNEXPLAINED, []);
  }
  const late = lateness(run, nowMs, limits);
  if (late === null) return { run, effects: [] };
  const detail = `${late}: the run is ended`;
  const reason: Status = { code: 41, name: 'connectTimedOut', detail, context: {} };
  return advance({ ...run, cancel: reason }, nowMs);
}

function lateness(run: Run, nowMs: number, limits: RunLimits): string | null {
  // How long an image waits for another volume is bptm's to say.
  if (run.stream?.phase === 'STREAM_PHASE_NEXT_VOLUME') return null;
  const minutes = (ms: number): string => `${Math.round(ms / 60_000)} min`;
  if (run.finishAsked) {
    if (nowMs - run.endingMs < limits.endTimeoutMs) return null;
    return `the end of the run took longer than ${minutes(limits.endTimeoutMs)}`;
  }
  if (run.session?.phase === 'SESSION_PHASE_MOVING') {
    if (nowMs - run.movedMs < limits.silentTimeoutMs) return null;
    return `no data and no file came for ${minutes(limits.silentTimeoutMs)}`;
  }
  if (run.kind === 'label') {
    if (nowMs - run.startedMs < limits.labelTimeoutMs) return null;
    return `the volume was not labelled within ${minutes(limits.labelTimeoutMs)}`;
  }
  if (nowMs - run.startedMs < limits.startTimeoutMs) return null;
  return `no data moved within ${minutes(limits.startTimeoutMs)}`;
}

function moved(run: Run, before: Run, nowMs: number): Run {
  const same =
    run.stream?.phase === before.stream?.phase &&
    run.stream?.bytes === before.stream?.bytes &&
    run.session?.phase === before.session?.phase &&
    run.session?.bytes === before.session?.bytes &&
    run.session?.files === before.session?.files;
  return same ? run : { ...run, movedMs: nowMs };
}

function goodResult(run: Run, nowMs: number): RunResult {
  const stream = run.stream!;
  const session = run.session!;
  if (run.kind === 'restore') {
    const status = restoreStatus(session.files, session.filesFailed);
    return { status, image: null, restore: restoreOf(run) };
  }
  return {
    status: OK,
    image: {
      backupId: run.backupId,
      ...{ bytes: stream.bytes, files: session.files, fragments: stream.fragments },
      elapsedMs: BigInt(nowMs - run.startedMs),
      ...{ env: session.env, fileList: session.fileList, butype: session.butype },
    },
    restore: null,
  };
}

function restoreOf({ kind, session, stream }: Run): RunResult['restore'] {
  if (kind !== 'restore' || session === null) return null;
  const { files, filesFailed } = session;
  return { bytes: stream?.bytes ?? 0n, filesRestored: files, filesFailed };
}

/** What the job is shown to be doing (JobProgress.operation). */
export function operationOf({ kind, stream, session, finishAsked, streamTold }: Run): string {
  if (finishAsked || streamTold !== null) return 'ending';
  if (stream?.phase === 'STREAM_PHASE_NEXT_VOLUME') return 'mounting';
  if (kind === 'label' && stream?.phase === 'STREAM_PHASE_POSITIONING') return 'writing';
  if (session?.phase === 'SESSION_PHASE_MOVING') return kind === 'backup' ? 'writing' : 'reading';
  switch (stream?.phase) {
    case undefined:
    case 'STREAM_PHASE_MOUNTING':
      return 'mounting';
    case 'STREAM_PHASE_POSITIONING':
      return 'positioning';
    default:
      return 'connecting';
  }
}
