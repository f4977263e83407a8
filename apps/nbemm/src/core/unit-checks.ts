// What a storage unit or a group of them may be: kinds, ranges, defaults and members. Pure; whether media server, robot
// and NDMP host exist is the adapters' question.

import type { StorageUnit } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkDensity, checkName } from './checks.ts';

/** NetBackup's default for a tape: the largest number of megabytes in a fragment. */
const TAPE_FRAGMENT_MB_MAX = 1_048_575n;
/** NetBackup's default and limit for a disk. */
const DISK_FRAGMENT_MB_MAX = 524_288n;
const FRAGMENT_MB_MIN = 50n;
/** Streams on one drive at once. */
const MPX_MAX = 32;
const JOBS_MAX = 1_024;
const MEMBERS_MAX = 64;
const HIGH_WATER_MARK = 98;
const LOW_WATER_MARK = 80;

const SELECTIONS = ['prioritized', 'failover', 'round_robin', 'load_balance'];

export type UnitKind = 'Media Manager' | 'NDMP' | 'Disk';

/** What it says it is; when it says nothing, what its fields make it. Error: 223. */
export function unitKind(unit: StorageUnit): UnitKind {
  const { type } = unit;
  if (type === 'Media Manager' || type === 'NDMP' || type === 'Disk') return type;
  if (type !== '') {
    throw invalid(`storage unit type '${type}' is not one of Media Manager, NDMP, Disk`);
  }
  if (unit.path !== '') return 'Disk';
  return unit.ndmpHost === '' ? 'Media Manager' : 'NDMP';
}

export function withDefaults(unit: StorageUnit): StorageUnit {
  const isDisk = unitKind(unit) === 'Disk';
  const fragmentMb = isDisk ? DISK_FRAGMENT_MB_MAX : TAPE_FRAGMENT_MB_MAX;
  return {
    ...unit,
    maxDrives: Math.max(1, unit.maxDrives),
    maxMpx: Math.max(1, unit.maxMpx),
    maxFragmentMb: unit.maxFragmentMb === 0n ? fragmentMb : unit.maxFragmentMb,
    highWaterMark: isDisk ? unit.highWaterMark || HIGH_WATER_MARK : 0,
    lowWaterMark: isDisk ? unit.lowWaterMark || LOW_WATER_MARK : 0,
    diskType: isDisk ? unit.diskType || 'BasicDisk' : '',
  };
}

/** Errors: 152, 223; 16 what is not built. */
export function checkUnit(unit: StorageUnit): void {
  checkName('the storage unit label', unit.label, 50);
  checkName('the media server', unit.mediaServer, 255);
  if (unitKind(unit) === 'Disk') checkDiskUnit(unit);
  else checkTapeUnit(unit);
  if (unit.maxMpx > MPX_MAX) throw invalid(`at most ${MPX_MAX} streams share a drive`);
  if (unit.maxMpx > 1 && unitKind(unit) !== 'Media Manager') {
    throw invalid(`the streams of a storage unit of type ${unitKind(unit)} are not multiplexed`);
  }
  if (unit.maxDrives > JOBS_MAX) throw invalid(`at most ${JOBS_MAX} at once`);
  if (unit.maxFragmentMb < FRAGMENT_MB_MIN) {
    throw invalid(`a fragment has at least ${FRAGMENT_MB_MIN} MB`);
  }
}

function checkTapeUnit(unit: StorageUnit): void {
  checkDensity(unit.density);
  const kind = unitKind(unit);
  if (unit.path !== '') throw invalid(`a ${kind} storage unit has no path`);
  if (kind === 'NDMP' && unit.ndmpHost === '') {
    throw new StatusError('requiredValueNotSet', 'the NDMP host of the storage unit is not given');
  }
  if (kind === 'Media Manager' && unit.ndmpHost !== '') {
    throw invalid('a storage unit whose drives hang on an NDMP host is of type NDMP');
  }
  if (unit.maxFragmentMb > TAPE_FRAGMENT_MB_MAX) {
    throw invalid(`a fragment has at most ${TAPE_FRAGMENT_MB_MAX} MB`);
  }
}

function checkDiskUnit(unit: StorageUnit): void {
  if (!unit.path.startsWith('/') || /[\0\n]/.test(unit.path)) {
    throw invalid(`'${unit.path}' is not the whole path of a folder on the media server`);
  }
  if (unit.diskType !== 'BasicDisk') {
    throw new StatusError(
      'notImplemented',
      `disk type '${unit.diskType}' is not built: BasicDisk is`,
    );
  }
  if (unit.density !== '' || unit.ndmpHost !== '') {
    throw invalid('a disk storage unit has neither density nor NDMP host');
  }
  if (unit.maxFragmentMb > DISK_FRAGMENT_MB_MAX) {
    throw invalid(`a fragment on disk has at most ${DISK_FRAGMENT_MB_MAX} MB`);
  }
  if (unit.highWaterMark > 100 || unit.lowWaterMark >= unit.highWaterMark) {
    throw invalid('water marks are percents, the low one below the high one');
  }
}

export function checkSelection(selection: string): void {
  if (!SELECTIONS.includes(selection)) {
    throw invalid(`selection '${selection}' is not one of ${SELECTIONS.join(', ')}`);
  }
}

export function checkMembers(units: readonly string[]): void {
  if (units.length === 0) {
    throw new StatusError('requiredValueNotSet', 'a storage unit group has at least one unit');
  }
  if (units.length > MEMBERS_MAX) throw invalid(`a group has at most ${MEMBERS_MAX} units`);
  const twice = units.find((unit, i) => units.indexOf(unit) !== i);
  if (twice !== undefined) throw invalid(`storage unit ${twice} is named twice`);
}

/** The members after a change, in order. Errors: 226 one to add is in it, 227 one to delete is not. */
export function editMembers(
  old: readonly string[],
  given: readonly string[],
  sets: ReadonlySet<string>,
): string[] {
  if (sets.has('units')) return [...given];
  if (sets.has('addUnits')) {
    const there = given.find((unit) => old.includes(unit));
    if (there !== undefined) {
      throw new StatusError('alreadyExists', `storage unit ${there} is in the group`);
    }
    return [...old, ...given];
  }
  if (sets.has('deleteUnits')) {
    const absent = given.find((unit) => !old.includes(unit));
    if (absent !== undefined) {
      throw new StatusError('notFound', `storage unit ${absent} is not in the group`);
    }
    return old.filter((unit) => !given.includes(unit));
  }
  return [...old];
}

function invalid(what: string): StatusError {
  return new StatusError('invalidEntry', what);
}
