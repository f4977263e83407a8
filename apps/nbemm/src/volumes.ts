// Handlers for volumes, as vmadd, vmchange, vmdelete, vmquery, bpmedia and bpmedialist manage them. Promises that a
// change of several volumes is made for all of them or for none, and that what a label repeats is never changed under
// data that is kept.

import type { Handlers } from '@tapestry/bus';
import type {
  AddVolumeRequest,
  ChangeVolumesRequest,
  SetVolumeStatusRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Selectable } from 'kysely';
import type { VolumesTable } from './adapters/schema.ts';
import { lockVolume } from './adapters/volume-rows.ts';
import { checkBarcode, checkDescription, checkedMediaId, checkGroup } from './core/checks.ts';
import { mediaTypeOf } from './core/media-type.ts';
import { newStatusBits, residenceGroup, type VolumeEdit, volumeEdit } from './core/volume-edit.ts';
import { edit, exists, inUse, missing, type Parts, required, type Tx } from './parts.ts';
import { requireIdleVolumes } from './record-uses.ts';
import { requirePool, requireRobot, requireServer } from './required-records.ts';
import { listVolumes } from './volume-list.ts';

type VolumeHandlers = Pick<
  Handlers<'nbemm'>,
  | 'AddVolume'
  | 'ChangeVolumes'
  | 'SetVolumeStatus'
  | 'DeleteVolume'
  | 'DeleteVolumeGroup'
  | 'ListVolumes'
>;

export const DEFAULT_POOL = 'NetBackup';
const CHANGED_MAX = 1_000;

export function volumeHandlers(parts: Parts): VolumeHandlers {
  return {
    AddVolume: (request) => addVolume(parts, request),
    ChangeVolumes: (request) => changeVolumes(parts, request),
    SetVolumeStatus: (request) => setStatus(parts, request),
    DeleteVolume: ({ name }) => deleteVolume(parts, name),
    DeleteVolumeGroup: ({ name }) => deleteGroup(parts, name),
    ListVolumes: (request) => listVolumes(parts, request),
  };
}

async function addVolume(parts: Parts, request: AddVolumeRequest) {
  const { volume, description, maxMounts, cleanings } = request;
  if (volume === null) throw required('the volume');
  const mediaId = checkedMediaId(volume.mediaId);
  const type = mediaTypeOf(request.mediaType || volume.density);
  checkBarcode(volume.barcode);
  checkDescription(description);
  checkGroup(request.volumeGroup);
  if (cleanings > 0 && !type.cleaning) {
    throw new StatusError('cleaningCountBad', `a ${type.name} volume has no cleanings`);
  }
  const pool = type.cleaning ? 'None' : volume.pool || DEFAULT_POOL;
  await edit(parts, `volume ${mediaId}`, async (tx) => {
    await requirePool(tx, pool);
    const inRobot = volume.slot > 0;
    if (inRobot) await requireFreeSlot(tx, mediaId, volume.robotNumber, volume.slot);
    await insertVolume(parts, tx, {
      ...{ mediaId, barcode: volume.barcode, mediaType: type.name, description, pool },
      ...{ robotNumber: volume.robotNumber, slot: volume.slot, maxMounts, cleanings },
      volumeGroup: request.volumeGroup,
      expirationMs: Number(request.expirationMs),
    });
  });
  return {};
}

/** Errors: 2059; 224 another volume is there. */
async function requireFreeSlot(
  tx: Tx,
  mediaId: string,
  robotNumber: number,
  slot: number,
): Promise<void> {
  await requireRobot(tx, robotNumber);
  const other = await tx
    .selectFrom('volumes')
    .select('media_id')
    .where('robot_number', '=', robotNumber)
    .where('slot', '=', slot)
    .where('media_id', '<>', mediaId)
    .executeTakeFirst();
  if (other !== undefined) {
    throw inUse(`volume ${other.media_id} is in slot ${slot} of robot ${robotNumber}`);
  }
}

export interface NewVolume {
  readonly mediaId: string;
  readonly barcode: string;
  readonly mediaType: string;
  readonly robotNumber: number;
  readonly slot: number;
  readonly pool: string;
  readonly description: string;
  readonly maxMounts: number;
  readonly cleanings: number;
  /** Empty takes the group of its robot. */
  readonly volumeGroup: string;
  readonly expirationMs: number;
}

/** Error: 226. */
export async function insertVolume(parts: Parts, tx: Tx, volume: NewVolume): Promise<void> {
  const type = mediaTypeOf(volume.mediaType);
  const ownGroup = volume.volumeGroup === '' && volume.slot > 0;
  const robot = ownGroup ? await requireRobot(tx, volume.robotNumber) : undefined;
  const added = await tx
    .insertInto('volumes')
    .values({
      ...{ media_id: volume.mediaId, barcode: volume.barcode },
      ...{ density: type.density, media_type: type.name },
      ...{ robot_number: volume.robotNumber, slot: volume.slot, pool: volume.pool },
      ...{ description: volume.description, max_mounts: volume.maxMounts, owner: '' },
      ...{ assigned_ms: 0, assigned_last_ms: 0, assigned_grant: '', previous_pool: '' },
      ...{ retention_level: 0, append: null, append_block: 0n, append_epoch: 0n, version: 1n },
      ...{ status_bits: 0, mounts: 0, mounted_drive: '', created_ms: parts.nowMs() },
      ...{ first_mount_ms: 0, last_mount_ms: 0, last_written_ms: 0, written_bytes: 0n },
      ...{ images: 0, valid_images: 0, last_backup_id: '', data_expiration_s: 0n, errors: 0 },
      volume_group: volume.volumeGroup || residenceGroup(robot),
      ...{ expiration_ms: volume.expirationMs, cleanings: volume.cleanings },
      ...{ offsite_location: '', offsite_slot: '', offsite_session: '' },
      ...{ offsite_sent_ms: 0, offsite_return_ms: 0 },
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('media_id')
    .execute();
  if (added.length === 0) throw exists(`volume ${volume.mediaId}`);
}

async function changeVolumes(parts: Parts, request: ChangeVolumesRequest) {
  if (request.change === null) throw required('what to change');
  const wanted = volumeEdit(request.change, request.set);
  const ids = request.mediaIds.map(checkedMediaId);
  if (ids.length === 0 && request.volumeGroup === '') throw required('the volume');
  if (ids.length > 1 && wanted.one !== undefined) {
    throw new StatusError('invalidEntry', `${wanted.one} is changed for one volume at a time`);
  }
  const what = ids.length === 0 ? `volume group ${request.volumeGroup}` : `volume ${ids.join()}`;
  await edit(parts, what, async (tx) => {
    const rows = await lockChosen(tx, ids, request.volumeGroup);
    if (rows.length > 1 && wanted.one !== undefined) {
      throw new StatusError('invalidEntry', `${wanted.one} is changed for one volume at a time`);
    }
    for (const row of rows) await applyEdit(tx, row, wanted);
  });
  return {};
}

/** In order of id, so that two changes at once do not wait for each other. Errors: 2031, 227, 223. */
async function lockChosen(tx: Tx, ids: readonly string[], group: string) {
  if (ids.length > CHANGED_MAX) {
    throw new StatusError('invalidEntry', `at most ${CHANGED_MAX} volumes at once`);
  }
  if (ids.length > 0) {
    const rows: Selectable<VolumesTable>[] = [];
    for (const id of [...new Set(ids)].sort()) rows.push(await lockVolume(tx, id));
    return rows;
  }
  const rows = await tx
    .selectFrom('volumes')
    .selectAll()
    .where('volume_group', '=', group)
    .orderBy('media_id')
    .forUpdate()
    .execute();
  if (rows.length === 0) throw missing(`volume group ${group}`);
  return rows;
}

async function applyEdit(tx: Tx, row: Selectable<VolumesTable>, wanted: VolumeEdit): Promise<void> {
  const mediaId = row.media_id;
  const { columns } = wanted;
  wanted.check({
    ...{ mediaId, assigned: row.assigned_ms > 0, mountedDrive: row.mounted_drive },
    mediaType: columns.media_type ?? row.media_type,
  });
  if (columns.pool !== undefined) await requirePool(tx, columns.pool);
  if (columns.owner !== undefined) await requireServer(tx, columns.owner);
  const { slot, robot_number } = columns;
  let group = columns.volume_group;
  if (slot !== undefined && robot_number !== undefined) {
    if (slot > 0) await requireFreeSlot(tx, mediaId, robot_number, slot);
    group ??= residenceGroup(slot > 0 ? await requireRobot(tx, robot_number) : undefined);
  }
  const pool = columns.pool !== undefined && columns.pool !== row.pool ? columns.pool : undefined;
  await tx
    .updateTable('volumes')
    .set((eb) => ({
      ...columns,
      ...(group === undefined ? {} : { volume_group: group }),
      ...(pool === undefined ? {} : { previous_pool: row.pool }),
      version: eb('version', '+', 1n),
    }))
    .where('media_id', '=', mediaId)
    .execute();
}

async function setStatus(parts: Parts, { mediaId: given, action, owner }: SetVolumeStatusRequest) {
  const mediaId = checkedMediaId(given);
  await edit(parts, `volume ${mediaId}`, async (tx) => {
    const row = await lockVolume(tx, mediaId);
    if (owner !== '' && row.owner !== '' && owner !== row.owner) {
      const why = `volume ${mediaId} belongs to ${row.owner}, not to ${owner}`;
      throw new StatusError('mediaOfAnotherServer', why, { mediaId });
    }
    const status_bits = newStatusBits(row.status_bits, action, row.assigned_ms > 0);
    await tx
      .updateTable('volumes')
      .set((eb) => ({ status_bits, version: eb('version', '+', 1n) }))
      .where('media_id', '=', mediaId)
      .execute();
    // What froze it is forgiven with it: else the next error would freeze it at once.
    if (action === 'unfreeze') {
      await tx.deleteFrom('media_events').where('media_id', '=', mediaId).execute();
    }
  });
  parts.log.info({ mediaId, action }, 'the status of a volume was set');
  return {};
}

/** Error: 224. */
function requireUnassigned(row: Selectable<VolumesTable>): void {
  if (row.assigned_ms === 0) return;
  const mediaId = row.media_id;
  const why = `volume ${mediaId} is assigned (${row.images} images): expire them first`;
  throw new StatusError('conflict', why, { mediaId });
}

async function deleteVolume(parts: Parts, name: string) {
  const mediaId = checkedMediaId(name);
  await requireIdleVolumes(parts, new Set([mediaId]));
  await edit(parts, `volume ${mediaId}`, async (tx) => {
    const [row] = await tx
      .selectFrom('volumes')
      .selectAll()
      .where('media_id', '=', mediaId)
      .forUpdate()
      .execute();
    if (row === undefined) throw missing(`volume ${mediaId}`);
    requireUnassigned(row);
    await tx.deleteFrom('volumes').where('media_id', '=', mediaId).execute();
  });
  return {};
}

async function deleteGroup(parts: Parts, group: string) {
  if (group === '') throw required('the volume group');
  const volumes = await parts.store.db
    .selectFrom('volumes')
    .select('media_id')
    .where('volume_group', '=', group)
    .execute();
  await requireIdleVolumes(parts, new Set(volumes.map(({ media_id }) => media_id)));
  await edit(parts, `volume group ${group}`, async (tx) => {
    const rows = await lockChosen(tx, [], group);
    for (const row of rows) requireUnassigned(row);
    await tx.deleteFrom('volumes').where('volume_group', '=', group).execute();
  });
  return {};
}
