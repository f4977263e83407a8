// Handlers for what media servers saw: closed fragments move a volume's append point, mounts and errors are counted.
// Promises that a repeat changes nothing, and that a grant of the past never moves what a later one wrote.

import type { Handlers } from '@tapestry/bus';
import {
  codec,
  type RecordFragmentRequest,
  type RecordMediaEventRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { VolumesTable } from './adapters/schema.ts';
import { lockVolume, noteImage } from './adapters/volume-rows.ts';
import { MEDIA_BIT } from './core/inventory.ts';
import { isErrorEvent, judgeErrors } from './core/media-errors.ts';
import { change, type Parts, type Tx } from './parts.ts';
import { readErrorLimits } from './settings.ts';

type RecordHandlers = Pick<Handlers<'nbemm'>, 'RecordFragment' | 'RecordMediaEvent'>;

/** Between the fragments of one tape file in what is kept of the append point. */
const TOLD_APART = '; ';
/** Events older than this decide nothing any more. */
const EVENTS_KEEP_MS = 31 * 24 * 60 * 60 * 1_000;

export function recordHandlers(parts: Parts): RecordHandlers {
  return {
    RecordFragment: (request) => recordFragment(parts, request),
    RecordMediaEvent: (request) => recordMediaEvent(parts, request),
  };
}

async function recordFragment(parts: Parts, request: RecordFragmentRequest) {
  const { grant, append, mediaId, backupId } = request;
  if (grant === null || append === null) {
    throw new StatusError('invalidRequest', 'RecordFragment needs a grant and an append point');
  }
  await change(parts, `volume ${mediaId}`, async (tx) => {
    const row = await lockVolume(tx, mediaId);
    if (grant.epoch < row.append_epoch) {
      const why = `volume ${mediaId} has been written under a later grant`;
      throw new StatusError('staleGrant', why, { mediaId });
    }
    const images = await noteImage(tx, mediaId, backupId);
    const isOurs = grant.epoch === row.append_epoch;
    const isSame = isOurs && append.blockNumber === row.append_block;
    const told = isSame ? toldAt(row.append) : [];
    // The same fragment told again, or one before it that came late: only how long the volume is kept may be new.
    const isOlder = isOurs && append.blockNumber < row.append_block;
    if (isOlder || told.includes(append.fragment)) return keepLonger(tx, row, request.expirationS);
    const atMs = Number(request.atMs);
    // Images that share a tape file are told of one by one: together they moved the append point once.
    const fragment = [...told, append.fragment].join(TOLD_APART);
    await tx
      .updateTable('volumes')
      .set((eb) => ({
        append: Buffer.from(codec('AppendPoint').encode({ ...append, fragment })),
        ...{ append_block: append.blockNumber, append_epoch: grant.epoch },
        ...{ last_backup_id: backupId, last_written_ms: Math.max(atMs, row.last_written_ms) },
        images,
        written_bytes: eb('written_bytes', '+', request.writtenBytes),
        data_expiration_s: later(request.expirationS, row.data_expiration_s),
        version: eb('version', '+', 1n),
      }))
      .where('media_id', '=', mediaId)
      .execute();
  });
  return {};
}

/** The fragments of the tape file before the append point. */
function toldAt(append: Buffer | null): string[] {
  if (append === null) return [];
  return codec('AppendPoint').decode(append).fragment.split(TOLD_APART);
}

async function keepLonger(tx: Tx, row: VolumesTable, expirationS: bigint): Promise<void> {
  if (expirationS <= row.data_expiration_s) return;
  await tx
    .updateTable('volumes')
    .set({ data_expiration_s: expirationS })
    .where('media_id', '=', row.media_id)
    .execute();
}

/** Math.max knows no bigint. */
function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

async function recordMediaEvent(parts: Parts, request: RecordMediaEventRequest) {
  const { mediaId, drive, event, detail } = request;
  const atMs = Number(request.atMs) || parts.nowMs();
  await change(parts, `volume ${mediaId}`, async (tx) => {
    const added = await tx
      .insertInto('media_events')
      .values({
        ...{ grant_id: request.grant?.grantId ?? '', media_id: mediaId, drive, event },
        ...{ at_ms: atMs, detail: detail.slice(0, 1_000) },
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('at_ms')
      .execute();
    if (added.length === 0) return;
    if (event === 'MEDIA_EVENT_MOUNTED') await noteMount(tx, mediaId, drive, atMs);
    else if (event === 'MEDIA_EVENT_CLEANED') await noteCleaning(tx, mediaId, drive, atMs);
    else if (event === 'MEDIA_EVENT_CLEANING_EXPIRED') await noteUsedUp(tx, mediaId);
    else if (event === 'MEDIA_EVENT_UNMOUNTED') await noteUnmount(tx, mediaId, drive);
    else if (event === 'MEDIA_EVENT_MISPLACED') await noteMisplaced(parts, tx, mediaId);
    else if (event === 'MEDIA_EVENT_CONDEMNED') {
      await setBits(tx, mediaId, MEDIA_BIT.frozen);
      parts.log.warn({ mediaId, drive, detail }, 'a volume was frozen: its drive condemns it');
    } else if (event === 'MEDIA_EVENT_FULL') await setBits(tx, mediaId, MEDIA_BIT.full);
    else if (isErrorEvent(event)) await noteError(parts, tx, { mediaId, drive, atMs });
    await tx
      .deleteFrom('media_events')
      .where('at_ms', '<', atMs - EVENTS_KEEP_MS)
      .execute();
  });
  return {};
}

async function noteMount(tx: Tx, mediaId: string, drive: string, atMs: number): Promise<void> {
  // A drive holds one volume: whatever was thought to be in it is not any more.
  await tx
    .updateTable('volumes')
    .set({ mounted_drive: '' })
    .where('mounted_drive', '=', drive)
    .where('media_id', '<>', mediaId)
    .execute();
  const row = await lockVolume(tx, mediaId);
  await tx
    .updateTable('volumes')
    .set({
      ...{ mounted_drive: drive, mounts: row.mounts + 1 },
      first_mount_ms: row.first_mount_ms === 0 ? atMs : row.first_mount_ms,
      last_mount_ms: Math.max(atMs, row.last_mount_ms),
    })
    .where('media_id', '=', mediaId)
    .execute();
  await tx
    .updateTable('drives')
    .set((eb) => ({ last_used_ms: eb.fn('greatest', ['last_used_ms', eb.val(atMs)]) }))
    .where('name', '=', drive)
    .execute();
}

/** The cartridge has one cleaning less. */
async function noteCleaning(tx: Tx, mediaId: string, drive: string, atMs: number): Promise<void> {
  const row = await lockVolume(tx, mediaId);
  await tx
    .updateTable('volumes')
    .set((eb) => ({
      ...{ cleanings: Math.max(0, row.cleanings - 1), mounts: row.mounts + 1 },
      ...{ last_mount_ms: Math.max(atMs, row.last_mount_ms), version: eb('version', '+', 1n) },
    }))
    .where('media_id', '=', mediaId)
    .execute();
  await tx
    .updateTable('drives')
    .set((eb) => ({ last_cleaned_ms: eb.fn('greatest', ['last_cleaned_ms', eb.val(atMs)]) }))
    .where('name', '=', drive)
    .execute();
}

/** Without a volume: whatever was thought to be in the drive. */
async function noteUnmount(tx: Tx, mediaId: string, drive: string): Promise<void> {
  const inDrive = tx
    .updateTable('volumes')
    .set({ mounted_drive: '' })
    .where('mounted_drive', '=', drive);
  await (mediaId === '' ? inDrive : inDrive.where('media_id', '=', mediaId)).execute();
}

async function noteUsedUp(tx: Tx, mediaId: string): Promise<void> {
  await lockVolume(tx, mediaId);
  await tx
    .updateTable('volumes')
    .set((eb) => ({ cleanings: 0, version: eb('version', '+', 1n) }))
    .where('media_id', '=', mediaId)
    .execute();
}

/** As an inventory would find it: the volume is offered again once one sees it in a robot. */
async function noteMisplaced(parts: Parts, tx: Tx, mediaId: string): Promise<void> {
  await lockVolume(tx, mediaId);
  await tx
    .updateTable('volumes')
    .set((eb) => ({
      ...{ slot: 0, robot_number: 0, mounted_drive: '', volume_group: '' },
      version: eb('version', '+', 1n),
    }))
    .where('media_id', '=', mediaId)
    .execute();
  parts.log.warn({ mediaId }, 'a volume is not in its robot: it is on record outside of it');
}

async function setBits(tx: Tx, mediaId: string, bits: number): Promise<void> {
  const row = await lockVolume(tx, mediaId);
  await tx
    .updateTable('volumes')
    .set((eb) => ({ status_bits: row.status_bits | bits, version: eb('version', '+', 1n) }))
    .where('media_id', '=', mediaId)
    .execute();
}

async function noteError(
  parts: Parts,
  tx: Tx,
  latest: { mediaId: string; drive: string; atMs: number },
): Promise<void> {
  const { mediaId, drive, atMs } = latest;
  await tx
    .updateTable('volumes')
    .set((eb) => ({ errors: eb('errors', '+', 1) }))
    .where('media_id', '=', mediaId)
    .execute();
  await tx
    .updateTable('drives')
    .set((eb) => ({ errors: eb('errors', '+', 1) }))
    .where('name', '=', drive)
    .execute();
  const limits = await readErrorLimits(tx);
  const rows = await tx
    .selectFrom('media_events')
    .select(['media_id', 'drive', 'at_ms', 'event'])
    .where('at_ms', '>', atMs - limits.windowMs)
    .where((eb) => eb.or([eb('media_id', '=', mediaId), eb('drive', '=', drive)]))
    .execute();
  const history = rows
    .filter((row) => isErrorEvent(row.event as RecordMediaEventRequest['event']))
    .map((row) => ({ mediaId: row.media_id, drive: row.drive, atMs: row.at_ms }));
  const verdict = judgeErrors(history, latest, limits);
  if (verdict.freezeMedia) {
    await setBits(tx, mediaId, MEDIA_BIT.frozen);
    parts.log.warn({ mediaId }, 'a volume was frozen: too many errors within the time window');
  }
  if (verdict.downDrive) {
    const reason = 'too many volumes failed in it within the time window';
    await tx.updateTable('drives').set({ up: false, reason }).where('name', '=', drive).execute();
    parts.log.warn({ drive }, `a drive was put down: ${reason}`);
  }
}
