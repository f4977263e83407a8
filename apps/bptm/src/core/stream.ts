// One stream from its opening to its end, as a state and what each event makes of it. Knows no bus, process or disk:
// what is to be done comes out as effects, in order.

import type { Address, DataPath, Fragment, MediaEvent, StreamPhase } from '@tapestry/contracts';
import type { Failure, FromDrive } from '../drive-process/messages.ts';
import { type Dial, nextDial, settledDial } from './dial.ts';
import {
  ask,
  type Exchange,
  type ExchangeEffect,
  type ExchangeEvent,
  keyed,
  onNextMounted,
  onVolumeGiven,
  onVolumeNeeded,
  refuse,
} from './exchange.ts';

export interface Stream {
  /** Of a label no data moves. */
  readonly mode: 'write' | 'read' | 'label';
  /** A disk has no volume of which nbemm would keep an account. */
  readonly medium: 'tape' | 'disk';
  readonly phase: StreamPhase;
  readonly addresses: readonly Address[];
  /** Where the mover is. */
  readonly dataPath: DataPath;
  readonly bytes: bigint;
  readonly endOfStream: boolean;
  readonly fragments: readonly Fragment[];
  /** Numbers of closed fragments that nbemm has not acknowledged. */
  readonly unrecorded: readonly number[];
  readonly failure: Failure | null;
  /** What is held: nothing yet; a mount asked for; the volume in the drive; a drive process; nothing any more. */
  readonly holds: 'nothing' | 'mounting' | 'mount' | 'process' | 'returned';
  /** The drive process said that its work is whole. */
  readonly finished: boolean;
  /** Highest range that was asked for. */
  readonly lastRange: number;
  /** The last one, if any. */
  readonly dial: Dial | null;
  /** TapeAlert flags of the drive, ascending. */
  readonly tapeAlerts: readonly number[];
  /** Media id of the volume in the drive, or on its way there; of a disk, the unit's label. */
  readonly volume: string;
  /** Volumes that the grant had before it. */
  readonly volumeNumber: number;
  /** Set while the image waits for another volume. */
  readonly exchange: Exchange | null;
  /** Volumes that were given for it and proved unfit. */
  readonly avoid: readonly string[];
}

export const NEW_STREAM: Omit<Stream, 'mode' | 'medium'> = {
  phase: 'STREAM_PHASE_MOUNTING',
  addresses: [],
  dataPath: 'DATA_PATH_MEDIA_SERVER',
  bytes: 0n,
  endOfStream: false,
  fragments: [],
  unrecorded: [],
  failure: null,
  holds: 'nothing',
  finished: false,
  lastRange: 0,
  dial: null,
  tapeAlerts: [],
  volume: '',
  volumeNumber: 0,
  exchange: null,
  avoid: [],
};

export type StreamEvent =
  | ExchangeEvent
  | { readonly type: 'opened' }
  | { readonly type: 'mounted'; readonly drivePath: string; readonly mountMs: number | null }
  | { readonly type: 'mountFailed'; readonly failure: Failure }
  | { readonly type: 'drive'; readonly report: FromDrive; readonly hosts: readonly string[] }
  | { readonly type: 'driveExited'; readonly how: string }
  | { readonly type: 'finishAsked'; readonly expectedBytes: bigint }
  | {
      readonly type: 'rangeAsked';
      readonly sequence: number;
      readonly offset: bigint;
      readonly length: bigint;
    }
  | {
      readonly type: 'dialAsked';
      readonly sequence: number;
      readonly addresses: readonly Address[];
    }
  | { readonly type: 'abortAsked'; readonly failure: Failure }
  | { readonly type: 'recorded'; readonly fragmentNumber: number }
  | { readonly type: 'recordRefused'; readonly failure: Failure }
  | { readonly type: 'leaseLost'; readonly reason: string };

export type StreamEffect =
  | ExchangeEffect
  | { readonly do: 'mount' }
  | { readonly do: 'startDrive'; readonly drivePath: string }
  | { readonly do: 'finishDrive'; readonly expectedBytes: bigint }
  | {
      readonly do: 'sendRange';
      readonly sequence: number;
      readonly offset: bigint;
      readonly length: bigint;
    }
  | {
      readonly do: 'dial';
      readonly sequence: number;
      readonly addresses: readonly Address[];
    }
  /** Ends the drive process, however deaf it is; `driveExited` follows. */
  | { readonly do: 'endDrive'; readonly reason: string }
  | { readonly do: 'unmount' }
  | { readonly do: 'record'; readonly closed: FromDrive & { readonly type: 'fragmentClosed' } }
  | { readonly do: 'mediaEvent'; readonly event: MediaEvent; readonly detail: string }
  | {
      readonly do: 'tell';
      readonly key: string;
      readonly text: string;
      readonly severity?: 'warning' | 'error';
    };

export interface StreamStep {
  readonly stream: Stream;
  readonly effects: readonly StreamEffect[];
}

export function isOver({ phase }: Stream): boolean {
  return phase === 'STREAM_PHASE_DONE' || phase === 'STREAM_PHASE_FAILED';
}

export function step(stream: Stream, event: StreamEvent): StreamStep {
  switch (event.type) {
    case 'opened':
      return { stream: { ...stream, holds: 'mounting' }, effects: [{ do: 'mount' }] };
    case 'mounted':
      return onMounted(stream, event);
    case 'mountFailed':
      return onMountFailed(stream, event.failure);
    case 'volumeGiven':
      return isOver(stream) ? { stream, effects: [] } : onVolumeGiven(stream, event);
    case 'volumeDenied':
      return stream.exchange === null ? { stream, effects: [] } : fail(stream, event.failure);
    case 'drive':
      return onReport(stream, event.report, event.hosts);
    case 'driveExited':
      return onExit(stream, event.how);
    case 'finishAsked':
      return onFinish(stream, event.expectedBytes);
    case 'rangeAsked':
      return onRange(stream, event);
    case 'dialAsked':
      return onDial(stream, event);
    case 'abortAsked':
      return fail(stream, event.failure);
    case 'recorded':
      return onRecorded(stream, event.fragmentNumber);
    case 'recordRefused':
      return fail(stream, event.failure);
    case 'leaseLost':
      return fail(stream, { status: 'staleGrant', detail: event.reason });
  }
}

function onMounted(
  stream: Stream,
  { drivePath, mountMs }: StreamEvent & { type: 'mounted' },
): StreamStep {
  // Ended while the robot moved: the volume goes back to idle.
  if (stream.holds === 'mounting' && isEnding(stream)) return giveBack(stream);
  const text =
    mountMs === null
      ? `on disk storage unit ${drivePath}`
      : `mounted; mount time ${(mountMs / 1000).toFixed(1)} s`;
  const tell: StreamEffect = { do: 'tell', key: keyed(stream, 'mounted'), text };
  if (stream.exchange?.step === 'mounting') return onNextMounted(stream, drivePath, tell);
  if (stream.holds !== 'mounting') return { stream, effects: [] };
  return {
    stream: { ...stream, phase: 'STREAM_PHASE_POSITIONING', holds: 'process' },
    effects: [tell, { do: 'startDrive', drivePath }],
  };
}

function onMountFailed(stream: Stream, failure: Failure): StreamStep {
  if (stream.holds === 'mounting' && isEnding(stream)) return giveBack(stream);
  // A mount that failed holds nothing; one whose answer was lost does: giving back twice is harmless.
  if (stream.holds === 'mounting') return fail({ ...stream, holds: 'mount' }, failure);
  if (stream.exchange?.step !== 'mounting') return { stream, effects: [] };
  const settled: Stream = { ...stream, exchange: { ...stream.exchange, step: 'opening' } };
  return isEnding(stream) ? { stream: settled, effects: [] } : refuse(settled, failure, fail);
}

/** It is over, or its work is, and what it holds is on its way back. */
function isEnding(stream: Stream): boolean {
  return isOver(stream) || stream.finished;
}

function giveBack(stream: Stream): StreamStep {
  const settled = settle({ ...stream, holds: 'returned', exchange: null });
  return { stream: settled.stream, effects: [{ do: 'unmount' }, ...settled.effects] };
}

function onRecorded(stream: Stream, fragmentNumber: number): StreamStep {
  const unrecorded = stream.unrecorded.filter((number) => number !== fragmentNumber);
  const settled = settle({ ...stream, unrecorded });
  return isOver(settled.stream) ? settled : ask(settled.stream);
}

function onReport(stream: Stream, report: FromDrive, hosts: readonly string[]): StreamStep {
  // A closed fragment is on the medium, whatever became of the stream: the append point must move.
  if (report.type === 'fragmentClosed') return onFragmentClosed(stream, report);
  if (report.type === 'mediaEvent') {
    if (stream.medium === 'disk') return { stream, effects: [] };
    const { event, detail } = report;
    return { stream, effects: [{ do: 'mediaEvent', event, detail }] };
  }
  // Also of a stream that failed: they may say why.
  if (report.type === 'tapeAlerts') return onAlerts(stream, report.flags);
  if (isOver(stream)) return { stream, effects: [] };
  switch (report.type) {
    case 'warm':
      return { stream, effects: [] };
    case 'progress':
      return { stream: { ...stream, bytes: report.bytes }, effects: [] };
    case 'positioned':
      return { stream: { ...stream, exchange: null }, effects: [tellPositioned(stream, report)] };
    case 'volumeIs': {
      const { mediaId } = report.volume;
      const next = { ...stream, volume: mediaId, volumeNumber: report.number };
      const text = `continuing on volume ${mediaId}, which streams beside it brought`;
      return { stream: next, effects: [{ do: 'tell', key: keyed(next, 'volume'), text }] };
    }
    case 'volumeNeeded':
      return onVolumeNeeded(stream, report, fail);
    case 'labelled':
      return { stream, effects: [tellLabelled(report)] };
    case 'listening': {
      const addresses = hosts.map((host) => ({ host, port: report.port }));
      return { stream: advance({ ...stream, addresses }, 'STREAM_PHASE_READY'), effects: [] };
    }
    case 'moverListening': {
      const { addresses, local } = report;
      const dataPath = local ? 'DATA_PATH_LOCAL' : 'DATA_PATH_THREE_WAY';
      const ready = advance({ ...stream, addresses, dataPath }, 'STREAM_PHASE_READY');
      return { stream: ready, effects: [] };
    }
    case 'stranger': {
      const text = `refused a data connection from ${report.address}: not an address of the NDMP host`;
      const key = `stranger-${report.address}`;
      return { stream, effects: [{ do: 'tell', key, text, severity: 'warning' }] };
    }
    case 'notDialled': {
      const text = `did not connect to ${report.address}: not an address of the NDMP host`;
      const key = `not-dialled-${report.address}`;
      return { stream, effects: [{ do: 'tell', key, text, severity: 'warning' }] };
    }
    case 'connected':
      return onConnected(stream, report);
    case 'dialFailed':
      return {
        stream: { ...stream, dial: settledDial(stream.dial, report.sequence, report.failure) },
        effects: [],
      };
    case 'endOfStream':
      return { stream: { ...stream, bytes: report.bytes, endOfStream: true }, effects: [] };
    case 'finished':
      return settle({ ...stream, bytes: report.bytes, finished: true });
    case 'failed':
      return fail({ ...stream, bytes: report.bytes }, report.failure);
  }
}

function onAlerts(stream: Stream, flags: readonly number[]): StreamStep {
  const tapeAlerts = [...new Set([...stream.tapeAlerts, ...flags])].sort((a, b) => a - b);
  const text = `the drive raised TapeAlert ${flags.join(', ')}`;
  return {
    stream: { ...stream, tapeAlerts },
    effects: [{ do: 'tell', key: `tape-alerts-${flags.join('-')}`, text, severity: 'warning' }],
  };
}

function onConnected(stream: Stream, { peer, by }: FromDrive & { type: 'connected' }): StreamStep {
  const how = by === 'us' ? `connected to the filer at ${peer}` : `data connection from ${peer}`;
  const text = `${how}; begin ${verb(stream)}`;
  const { dial } = stream;
  const settled = by === 'us' ? settledDial(dial, dial?.sequence, 'connected') : dial;
  return {
    stream: advance({ ...stream, dial: settled }, 'STREAM_PHASE_MOVING'),
    effects: [{ do: 'tell', key: 'connected', text }],
  };
}

/** Only a stream that listens dials; of what is not dialled, `dialOutcome` says why. */
function onDial(
  stream: Stream,
  { sequence, addresses }: StreamEvent & { type: 'dialAsked' },
): StreamStep {
  const dial = stream.phase === 'STREAM_PHASE_READY' ? nextDial(stream.dial, sequence) : null;
  if (dial === null) return { stream, effects: [] };
  return { stream: { ...stream, dial }, effects: [{ do: 'dial', sequence, addresses }] };
}

/** A stream that is being closed stays so, whatever its connection still tells. */
function advance(stream: Stream, phase: StreamPhase): Stream {
  return stream.phase === 'STREAM_PHASE_CLOSING' ? stream : { ...stream, phase };
}

function tellPositioned(
  stream: Stream,
  { labelled, fileNumber }: FromDrive & { type: 'positioned' },
): StreamEffect {
  const { mode, medium } = stream;
  if (medium === 'disk') {
    return { do: 'tell', key: 'positioned', text: `at fragment ${fileNumber}` };
  }
  const label = labelled ? 'label written' : 'label verified';
  const where = mode === 'write' ? `writing begins at file ${fileNumber}` : `at file ${fileNumber}`;
  return { do: 'tell', key: keyed(stream, 'positioned'), text: `${label}; ${where}` };
}

function tellLabelled({ over, erased }: FromDrive & { type: 'labelled' }): StreamEffect {
  const what = erased ? 'erased, and label written' : 'label written';
  return { do: 'tell', key: 'labelled', text: `${what} over ${over}` };
}

function onFragmentClosed(
  stream: Stream,
  closed: FromDrive & { type: 'fragmentClosed' },
): StreamStep {
  const { fragment } = closed;
  if (stream.fragments.some(({ number }) => number === fragment.number)) {
    return { stream, effects: [] };
  }
  const fragments = [...stream.fragments, fragment];
  if (stream.medium === 'disk') return { stream: { ...stream, fragments }, effects: [] };
  return {
    stream: {
      ...stream,
      fragments,
      unrecorded: [...stream.unrecorded, fragment.number],
    },
    effects: [{ do: 'record', closed }],
  };
}

function onExit(stream: Stream, how: string): StreamStep {
  if (stream.holds !== 'process') return { stream, effects: [] };
  // A robot that is on its way brings what it was asked for: that is given back then.
  const waits = stream.exchange?.step === 'mounting';
  if (isEnding(stream)) {
    return waits ? { stream: { ...stream, holds: 'mounting' }, effects: [] } : giveBack(stream);
  }
  const left: Stream = { ...stream, holds: waits ? 'mounting' : 'returned' };
  const failed = fail(left, {
    status: 'tapeMgrKilled',
    detail: `the drive process ended unexpectedly (${how})`,
  });
  const effects: StreamEffect[] = waits ? [] : [{ do: 'unmount' }];
  return { stream: failed.stream, effects: [...effects, ...failed.effects] };
}

function onFinish(stream: Stream, expectedBytes: bigint): StreamStep {
  if (isOver(stream) || stream.finished || stream.phase === 'STREAM_PHASE_CLOSING') {
    return { stream, effects: [] };
  }
  if (stream.holds !== 'process') {
    return fail(stream, {
      status: 'imageInconsistent',
      detail: 'the stream was finished before its drive was ready',
    });
  }
  return {
    stream: { ...stream, phase: 'STREAM_PHASE_CLOSING' },
    effects: [{ do: 'finishDrive', expectedBytes }],
  };
}

function onRange(
  stream: Stream,
  { sequence, offset, length }: StreamEvent & { type: 'rangeAsked' },
): StreamStep {
  if (isOver(stream) || stream.mode !== 'read' || sequence <= stream.lastRange) {
    return { stream, effects: [] };
  }
  return {
    stream: { ...stream, lastRange: sequence },
    effects: [{ do: 'sendRange', sequence, offset, length }],
  };
}

/** Over with success once the drive process finished and went, and nbemm knows every fragment. */
function settle(stream: Stream): StreamStep {
  const whole = stream.finished && stream.holds === 'returned' && stream.unrecorded.length === 0;
  if (!whole || isOver(stream)) return { stream, effects: [] };
  const text =
    stream.mode === 'label'
      ? 'the label is on the medium'
      : `end ${verb(stream)}; ${stream.bytes} bytes`;
  return {
    stream: { ...stream, phase: 'STREAM_PHASE_DONE' },
    effects: [{ do: 'tell', key: 'end', text }],
  };
}

/** The first failure is the stream's; all that it holds is given back, each by the way it came. */
function fail(stream: Stream, failure: Failure): StreamStep {
  if (isOver(stream)) return { stream, effects: [] };
  const failed: Stream = { ...stream, phase: 'STREAM_PHASE_FAILED', failure };
  const tell: StreamEffect = {
    do: 'tell',
    key: 'failed',
    text: failure.detail,
    severity: 'error',
  };
  if (stream.holds === 'process') {
    return { stream: failed, effects: [tell, { do: 'endDrive', reason: failure.detail }] };
  }
  if (stream.holds === 'mount') {
    return { stream: { ...failed, holds: 'returned' }, effects: [tell, { do: 'unmount' }] };
  }
  return { stream: failed, effects: [tell] };
}

function verb({ mode }: Stream): string {
  return mode === 'write' ? 'writing' : 'reading';
}
