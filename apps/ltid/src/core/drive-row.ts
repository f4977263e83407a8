// One drive in the table of mounts: who holds it, and what each event makes of that. A holder is only forgotten when it said
// that it is done, was replaced by a later grant, or its writer was seen to be gone.

import { compareLeases, type Lease } from '@tapestry/runtime/fence';

export interface DriveRow {
  readonly drive: string;
  readonly robotNumber: number;
  /** Number in its robot, from 0. */
  readonly driveIndex: number;
  readonly mediaId: string;
  readonly holder: Lease | null;
  readonly state: 'idle' | 'mounting' | 'mounted' | 'cleaning' | 'unknown';
  readonly writerPid: number;
  readonly reason: string;
  /** When nbrb last said that the holder's grant is valid. */
  readonly renewedMs: number;
  /** When the holder was last heard of. */
  readonly heardMs: number;
  /** Since when a volume stays in the drive that nobody holds; 0 when somebody does, or it is empty. */
  readonly idleMs: number;
  /** When the volume that is held was mounted; 0 before that. */
  readonly mountedMs: number;
  /** Volumes that the holder's grant had before this one. */
  readonly volumeNumber: number;
}

/** An image goes on from volume to volume under one grant: which of them is meant. */
interface Numbered {
  readonly volumeNumber: number;
}

export type DriveEvent =
  | ({ readonly type: 'mountAsked'; readonly lease: Lease; readonly mediaId: string } & Numbered)
  | ({ readonly type: 'mounted'; readonly lease: Lease } & Numbered)
  | ({ readonly type: 'mountFailed'; readonly lease: Lease; readonly reason: string } & Numbered)
  /** `stillHeld`: the library says that a live process has the drive open. */
  | {
      readonly type: 'unmountAsked';
      readonly lease: Lease;
      readonly stillHeld: boolean;
      /** Why nobody can use it, in the words of its last holder; empty for nothing known. */
      readonly doubt: string;
    }
  /** Time has passed over a drive that nobody holds. */
  | { readonly type: 'trusted' }
  | { readonly type: 'heard'; readonly lease: Lease; readonly writerPid: number }
  | { readonly type: 'renewed'; readonly lease: Lease }
  | { readonly type: 'restarted' }
  /** What the library shows of a drive. */
  | { readonly type: 'sighted'; readonly full: boolean }
  /** Its volume could not be taken home. */
  | { readonly type: 'stuck'; readonly reason: string }
  | { readonly type: 'noted'; readonly reason: string }
  /** A cleaning cartridge goes into the idle drive. */
  | { readonly type: 'cleaning' }
  | { readonly type: 'cleaned' }
  | { readonly type: 'looked'; readonly stillHeld: boolean };

export interface Limits {
  /** A holder that was not heard of for so long is looked after. */
  readonly silentMs: number;
  /** A drive that its last holder found in use is tried again after so long. */
  readonly doubtMs: number;
}

export function idleRow(drive: string, robotNumber: number, driveIndex: number): DriveRow {
  return {
    ...{ drive, robotNumber, driveIndex, mediaId: '', holder: null, state: 'idle' },
    ...{ writerPid: 0, reason: '', renewedMs: 0, heardMs: 0, idleMs: 0, mountedMs: 0 },
    volumeNumber: 0,
  };
}

/** May this lease take the drive? An older one than the holder's may not, nor may its own earlier volume come back. */
export function mayTake(row: DriveRow, lease: Lease, volumeNumber: number): boolean {
  if (row.holder === null) return true;
  if (sameLease(row.holder, lease)) return volumeNumber >= row.volumeNumber;
  return lease.epoch > row.holder.epoch;
}

export function sameLease(a: Lease | null, b: Lease): boolean {
  return (
    a !== null &&
    a.attempt.jobId === b.attempt.jobId &&
    a.attempt.step === b.attempt.step &&
    compareLeases(a, b) === 'same'
  );
}

export function step(row: DriveRow, event: DriveEvent, nowMs: number, limits: Limits): DriveRow {
  switch (event.type) {
    case 'mountAsked': {
      const { lease, mediaId, volumeNumber } = event;
      if (!mayTake(row, lease, volumeNumber)) return row;
      const isIt = sameLease(row.holder, lease) && row.volumeNumber === volumeNumber;
      if (isIt && row.state === 'mounted') return row;
      return {
        ...row,
        ...{ holder: lease, mediaId, volumeNumber, state: 'mounting', writerPid: 0, reason: '' },
        ...{ renewedMs: nowMs, heardMs: nowMs, idleMs: 0, mountedMs: 0 },
      };
    }
    case 'restarted':
      if (row.holder === null) return { ...row, state: 'idle', reason: '' };
      return {
        ...row,
        state: 'unknown',
        heardMs: nowMs,
        reason: 'ltid was restarted, the writer was not heard of since',
      };
    case 'trusted':
      if (!isDoubted(row) || nowMs - row.idleMs < limits.doubtMs) return row;
      return { ...row, state: 'idle', reason: '', idleMs: nowMs };
    case 'looked':
      return looked(row, event.stillHeld, nowMs, limits);
    case 'sighted':
      return sighted(row, event.full, nowMs);
    case 'noted':
      return row.holder === null ? { ...row, reason: event.reason } : row;
    case 'cleaning':
      if (row.state !== 'idle') return row;
      return { ...row, state: 'cleaning', mediaId: '', reason: 'being cleaned', idleMs: 0 };
    case 'cleaned':
      // What stayed in it, if anything did, goes home as any volume that nobody uses.
      return row.state === 'cleaning' ? free(row, '', nowMs) : row;
    case 'stuck':
      return row.holder === null ? { ...row, reason: event.reason, idleMs: nowMs } : row;
    default:
      // A late word of somebody who holds the drive no more changes nothing.
      return sameLease(row.holder, event.lease) ? ofHolder(row, event, nowMs) : row;
  }
}

type HolderEvent = Extract<
  DriveEvent,
  { type: 'mounted' | 'mountFailed' | 'unmountAsked' | 'heard' | 'renewed' }
>;

function ofHolder(row: DriveRow, event: HolderEvent, nowMs: number): DriveRow {
  switch (event.type) {
    case 'mounted':
      if (event.volumeNumber !== row.volumeNumber) return row;
      return { ...row, state: 'mounted', reason: '', heardMs: nowMs, mountedMs: nowMs };
    case 'mountFailed': {
      const { reason, volumeNumber } = event;
      if (volumeNumber !== row.volumeNumber) return row;
      // Whose image goes on has the drive still, and may ask for another volume.
      if (volumeNumber > 0) return { ...row, reason, mediaId: '' };
      return { ...free(row, reason, nowMs), mediaId: '' };
    }
    case 'unmountAsked':
      if (!event.stillHeld) return doubted(free(row, '', nowMs), event.doubt);
      return { ...row, state: 'unknown', reason: 'given back, but a process still has it open' };
    case 'heard': {
      // A restart may have met it on its way.
      const before = row.mountedMs > 0 ? 'mounted' : 'mounting';
      const state = row.state === 'unknown' ? before : row.state;
      const reason = row.state === 'unknown' ? '' : row.reason;
      return { ...row, state, reason, writerPid: event.writerPid || row.writerPid, heardMs: nowMs };
    }
    case 'renewed':
      return { ...row, renewedMs: nowMs };
  }
}

function looked(row: DriveRow, stillHeld: boolean, nowMs: number, limits: Limits): DriveRow {
  if (row.holder === null || nowMs - row.heardMs < limits.silentMs) return row;
  if (!stillHeld) return free(row, '', nowMs);
  if (row.state === 'unknown') return row;
  return { ...row, state: 'unknown', reason: 'its writer is silent, but has the drive open' };
}

/** A volume that nobody brought here counts as idle from now on. */
function sighted(row: DriveRow, full: boolean, nowMs: number): DriveRow {
  if (row.holder !== null) return row;
  if (full) return row.idleMs === 0 ? { ...row, idleMs: nowMs } : row;
  if (row.idleMs === 0 && row.mediaId === '') return row;
  return { ...row, mediaId: '', idleMs: 0, reason: '' };
}

/** Given back, but not to be had: somebody of whom we know nothing has it open. */
function doubted(row: DriveRow, doubt: string): DriveRow {
  return doubt === '' ? row : { ...row, state: 'unknown', reason: doubt };
}

function isDoubted({ holder, state }: DriveRow): boolean {
  return holder === null && state === 'unknown';
}

function free(row: DriveRow, reason: string, nowMs: number): DriveRow {
  const idle = { holder: null, state: 'idle', writerPid: 0, idleMs: nowMs } as const;
  return { ...row, ...idle, reason, mountedMs: 0, volumeNumber: 0 };
}

/** Whether its volume has waited for the next grant for as long as it may. */
export function isDueHome(row: DriveRow, nowMs: number, unmountDelayMs: number): boolean {
  return (
    row.holder === null && !isDoubted(row) && row.idleMs > 0 && nowMs - row.idleMs >= unmountDelayMs
  );
}

/** How long the holder's lease is good from now on: T1 from the last time that nbrb called it valid. */
export function validForMs(row: DriveRow, nowMs: number, leaseT1Ms: number): number {
  return Math.max(0, row.renewedMs + leaseT1Ms - nowMs);
}
