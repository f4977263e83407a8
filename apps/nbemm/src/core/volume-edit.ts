// What an administrator may change about a volume, and what its state forbids. Promises that a volume that holds data
// keeps its pool and its type: the pool decides who may write behind it, the type what can read it.

import type { VolumeChange } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkBarcode, checkDescription, checkGroup } from './checks.ts';
import { MEDIA_BIT } from './inventory.ts';
import { isCleaning, mediaTypeOf } from './media-type.ts';
import { checkSet } from './record-edit.ts';

const CHANGEABLE = [
  ...(['pool', 'barcode', 'description', 'maxMounts', 'cleanings', 'expirationMs'] as const),
  ...(['volumeGroup', 'slot', 'owner', 'mediaType', 'offsite.location', 'offsite.slot'] as const),
  ...(['offsite.session', 'offsite.sentMs', 'offsite.returnMs'] as const),
] as const;

type Changeable = (typeof CHANGEABLE)[number];

/** Columns of the volume's row that change. */
export interface VolumeColumns {
  pool?: string;
  barcode?: string;
  description?: string;
  max_mounts?: number;
  cleanings?: number;
  expiration_ms?: number;
  volume_group?: string;
  robot_number?: number;
  slot?: number;
  owner?: string;
  media_type?: string;
  density?: string;
  mounted_drive?: string;
  offsite_location?: string;
  offsite_slot?: string;
  offsite_session?: string;
  offsite_sent_ms?: number;
  offsite_return_ms?: number;
}

export interface VolumeState {
  readonly mediaId: string;
  readonly assigned: boolean;
  readonly mountedDrive: string;
  /** After the change. */
  readonly mediaType: string;
}

export interface VolumeEdit {
  readonly columns: VolumeColumns;
  /** What of it makes sense for a single volume only. */
  readonly one: string | undefined;
  /** Errors: 224, 2014, 2018 when the state of the volume forbids it. */
  check(state: VolumeState): void;
}

/** Errors: 152, 223. */
export function volumeEdit(change: VolumeChange, set: readonly string[]): VolumeEdit {
  const sets = checkSet(set, CHANGEABLE);
  if (sets.has('barcode')) checkBarcode(change.barcode);
  if (sets.has('description')) checkDescription(change.description);
  if (sets.has('volumeGroup')) checkGroup(change.volumeGroup);
  return {
    columns: { ...plainColumns(change, sets), ...offsiteColumns(change, sets) },
    one: sets.has('barcode') ? 'a barcode' : sets.has('slot') ? 'a place in a robot' : undefined,
    check: (state) => checkState(state, sets),
  };
}

function plainColumns(change: VolumeChange, sets: ReadonlySet<Changeable>): VolumeColumns {
  const columns: VolumeColumns = {};
  if (sets.has('pool')) columns.pool = change.pool;
  if (sets.has('barcode')) columns.barcode = change.barcode;
  if (sets.has('description')) columns.description = change.description;
  if (sets.has('maxMounts')) columns.max_mounts = change.maxMounts;
  if (sets.has('cleanings')) columns.cleanings = change.cleanings;
  if (sets.has('expirationMs')) columns.expiration_ms = Number(change.expirationMs);
  if (sets.has('volumeGroup')) columns.volume_group = change.volumeGroup;
  if (sets.has('owner')) columns.owner = change.owner;
  if (sets.has('slot')) {
    columns.slot = change.slot;
    columns.robot_number = change.slot > 0 ? change.robotNumber : 0;
    if (change.slot === 0) columns.mounted_drive = '';
  }
  if (sets.has('mediaType')) {
    const type = mediaTypeOf(change.mediaType);
    Object.assign(columns, { media_type: type.name, density: type.density });
  }
  return columns;
}

function offsiteColumns(change: VolumeChange, sets: ReadonlySet<Changeable>): VolumeColumns {
  const { offsite } = change;
  const columns: VolumeColumns = {};
  if (sets.has('offsite.location')) columns.offsite_location = offsite?.location ?? '';
  if (sets.has('offsite.slot')) columns.offsite_slot = offsite?.slot ?? '';
  if (sets.has('offsite.session')) columns.offsite_session = offsite?.session ?? '';
  if (sets.has('offsite.sentMs')) columns.offsite_sent_ms = Number(offsite?.sentMs ?? 0n);
  if (sets.has('offsite.returnMs')) columns.offsite_return_ms = Number(offsite?.returnMs ?? 0n);
  return columns;
}

function checkState(state: VolumeState, sets: ReadonlySet<Changeable>): void {
  const { mediaId, assigned, mountedDrive } = state;
  const cleaning = isCleaning(state.mediaType);
  const refuse = (why: string): never => {
    throw new StatusError('conflict', `volume ${mediaId} ${why}`, { mediaId });
  };
  if (assigned && sets.has('pool'))
    refuse('is assigned: it keeps its pool until its images expire');
  if (assigned && sets.has('mediaType')) refuse('is assigned: it keeps its media type');
  if (cleaning && sets.has('pool')) refuse('cleans drives: such volumes are in no pool');
  if (mountedDrive !== '' && sets.has('slot')) refuse(`is in drive ${mountedDrive}`);
  if (sets.has('owner') && !assigned) {
    const why = `volume ${mediaId} is not assigned, so it belongs to no media server`;
    throw new StatusError('mediaNotAssigned', why, { mediaId });
  }
  if (cleaning ? sets.has('maxMounts') : sets.has('cleanings')) {
    const why = `volume ${mediaId} is counted in ${cleaning ? 'cleanings' : 'mounts'}`;
    throw new StatusError('cleaningCountBad', why, { mediaId });
  }
}

/** Errors: 223 no such action; 2014 what is not assigned is not suspended. */
export function newStatusBits(bits: number, action: string, assigned: boolean): number {
  switch (action) {
    case 'freeze':
      return bits | MEDIA_BIT.frozen;
    case 'unfreeze':
      return bits & ~MEDIA_BIT.frozen;
    case 'suspend':
      if (!assigned) {
        throw new StatusError('mediaNotAssigned', 'only a volume with images on it is suspended');
      }
      return bits | MEDIA_BIT.suspended;
    case 'unsuspend':
      return bits & ~MEDIA_BIT.suspended;
    case 'full':
      return bits | MEDIA_BIT.full;
    case 'unfull':
      return bits & ~MEDIA_BIT.full;
    default:
      throw new StatusError('invalidEntry', `'${action}' is no change of a volume's status`);
  }
}

/** NetBackup's group of all volumes in a robot: 000_00003_TLD. */
export function residenceGroup(robot: { number: number; type: string } | undefined): string {
  if (robot === undefined) return '';
  return `000_${String(robot.number).padStart(5, '0')}_${robot.type.toUpperCase()}`;
}
