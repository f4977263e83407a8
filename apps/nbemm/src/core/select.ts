// MDS: which storage unit, drive and volume fit a request, in the order of choice, or why none can. Promises: a pure
// function of inventory and need; being in use is not its business, and it refuses only what no change of use cures.

import type {
  EvaluateReply,
  LabelSpec,
  MdsOption,
  MdsSelection,
  ResourceRequest,
  Status,
  StorageUnit,
} from '@tapestry/contracts';
import { StatusError, type StatusName, toWire } from '@tapestry/status';
import { diskFull, diskOption } from './disk-choice.ts';
import { drivesForUnit, requireActive, upDrives } from './drive-choice.ts';
import type { Drive, Inventory, Pool } from './inventory.ts';
import { nextVolumes } from './next-volume.ts';
import { Refusal } from './refusal.ts';
import { unitsFor } from './unit-choice.ts';
import {
  byPreference,
  offeredVolume,
  readableVolume,
  type VolumeList,
  volumesForWrite,
} from './volume-choice.ts';

export interface SelectFacts {
  readonly nowMs: number;
  /** Volumes that somebody has now: they come last. */
  readonly inUseMediaIds: readonly string[];
  /** Set: what is wanted is another volume for this drive. */
  readonly nextInDrive?: string;
}

const REASONS_MAX = 50;
/** So many reasons stand in the words of a refusal, which end in the job's details. */
const REASONS_TOLD = 6;
const MIB = 1_048_576n;

export function select(
  inventory: Inventory,
  need: ResourceRequest,
  facts: SelectFacts,
): EvaluateReply {
  const reasons: string[] = [];
  const answer = (more: Partial<EvaluateReply>): EvaluateReply => ({
    ...{ choices: [], refusal: null, selection: 'MDS_SELECTION_IN_ORDER' },
    ...{ reasons: reasons.slice(0, REASONS_MAX), ...more },
  });
  try {
    const { nextInDrive = '' } = facts;
    if (nextInDrive !== '') {
      return answer({ choices: nextVolumes(inventory, need, { ...facts, nextInDrive }, reasons) });
    }
    if (need.label !== null) {
      return answer({ choices: selectForLabel(inventory, need.label, reasons) });
    }
    return need.mode === 'DRIVE_MODE_READ'
      ? answer({ choices: selectForRead(inventory, need, reasons) })
      : answer(selectForWrite(inventory, need, facts, reasons));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const why = [error.message, ...reasons.slice(0, REASONS_TOLD)].join('; ');
    return answer({ refusal: statusOf(error.status, why) });
  }
}

function statusOf(status: StatusName, detail: string): Status {
  const { context = {}, ...rest } = toWire(new StatusError(status, detail));
  return { ...rest, context: { ...context } };
}

interface Written {
  readonly choices: MdsOption[];
  readonly selection: MdsSelection;
}

function selectForWrite(
  inventory: Inventory,
  need: ResourceRequest,
  facts: SelectFacts,
  reasons: string[],
): Written {
  const poolName = need.pool === '' ? 'NetBackup' : need.pool;
  const pool = inventory.pools.find((each) => each.name === poolName);
  if (pool === undefined) {
    throw new Refusal('poolMissing', `the volume pool ${poolName} does not exist`);
  }
  const { units, selection, firstOnly } = unitsFor(inventory, need.storageUnit);
  const failures: Refusal[] = [];
  const found: Found[] = [];
  for (const unit of units) {
    try {
      const each = onDisk(unit)
        ? diskForUnit(inventory, unit, facts.nowMs, reasons)
        : tapeForUnit(inventory, unit, { need, pool, facts }, reasons);
      if (each === undefined) continue;
      found.push(each);
      if (firstOnly) break;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failures.push(error);
      if (units.length > 1) reasons.push(`storage unit ${unit.label}: ${error.message}`);
    }
  }
  const [first] = failures;
  const mayYet = units.length > failures.length;
  if (found.length === 0 && first !== undefined && !mayYet) throw first;
  return { choices: mountedFirst(found, selection, need.storageUnit === ''), selection };
}

interface Found {
  readonly option: MdsOption;
  /** A suitable volume is in one of its drives, and free. */
  readonly mounted: boolean;
}

function onDisk(unit: StorageUnit): boolean {
  return unit.type === 'Disk';
}

/** Undefined: it has no room now, which jobs and expiry change. */
function diskForUnit(
  inventory: Inventory,
  unit: StorageUnit,
  nowMs: number,
  reasons: string[],
): Found | undefined {
  requireActive(inventory, unit.mediaServer);
  const full = diskFull(unit, inventory.disks.get(unit.label), nowMs);
  if (full === undefined) {
    return { option: diskOption(unit, inventory.blockSizeBytes), mounted: false };
  }
  reasons.push(full);
  return undefined;
}

/** What lies on a disk is read from the unit that has its label, wherever that is now. */
function diskToRead(inventory: Inventory, label: string): MdsOption {
  const unit = inventory.units.find((each) => each.label === label && onDisk(each));
  if (unit === undefined) {
    const why = `the image lies on the disk storage unit ${label}, which does not exist`;
    throw new Refusal('storageUnitMissing', why);
  }
  requireActive(inventory, unit.mediaServer);
  return diskOption(unit, inventory.blockSizeBytes);
}

interface TapeNeed {
  readonly need: ResourceRequest;
  readonly pool: Pool;
  readonly facts: SelectFacts;
}

function tapeForUnit(
  inventory: Inventory,
  unit: StorageUnit,
  { need, pool, facts }: TapeNeed,
  reasons: string[],
): Found {
  const drives = drivesForUnit(inventory, unit, need);
  const list = volumesForWrite(
    inventory,
    {
      ...{ density: unit.density, robotNumber: unit.robotNumber, pool, nowMs: facts.nowMs },
      drives: new Set(drives.map(({ spec }) => spec.name)),
      retentionLevel: need.retentionLevel,
      avoid: new Set(need.avoidMediaIds),
      inUse: new Set(facts.inUseMediaIds),
    },
    reasons,
  );
  if (list.volumes.length === 0) {
    throw new Refusal(
      'noMediaAvailable',
      `no volume of pool ${pool.name} fits, and no scratch volume: add media, or free some`,
    );
  }
  return { option: optionOf(inventory, { unit, drives, list }), mounted: list.mounted };
}

/** With any unit allowed, one whose drive holds a suitable volume comes before the others. */
function mountedFirst(
  found: readonly Found[],
  selection: MdsSelection,
  anyUnit: boolean,
): MdsOption[] {
  const choices = found.map(({ option }) => option);
  if (!anyUnit || selection !== 'MDS_SELECTION_IN_ORDER') return choices;
  const mounted = found.filter((each) => each.mounted).map(({ option }) => option);
  return [...mounted, ...choices.filter((option) => !mounted.includes(option))];
}

interface OptionFacts {
  readonly unit: Inventory['units'][number] | undefined;
  readonly drives: readonly Drive[];
  readonly list: VolumeList;
}

function optionOf(inventory: Inventory, { unit, drives, list }: OptionFacts): MdsOption {
  return {
    storageUnit: unit?.label ?? '',
    mediaServer: drives[0]!.spec.mediaServer,
    drives: drives.map(({ spec }) => spec),
    volumes: [...list.volumes],
    maxFragmentBytes: (unit?.maxFragmentMb ?? 0n) * MIB,
    blockSizeBytes: inventory.blockSizeBytes,
    maxDrives: unit?.maxDrives ?? 0,
    maxMpx: unit?.maxMpx ?? 0,
    ...{ counters: [], diskPath: '', diskHighWaterPercent: 0, diskLowWaterPercent: 0 },
  };
}

/** A read wants one certain volume; any media server that has drives in its robot will do. */
function selectForRead(
  inventory: Inventory,
  need: ResourceRequest,
  reasons: string[],
): MdsOption[] {
  const { mediaId } = need;
  if (need.disk) return [diskToRead(inventory, mediaId)];
  const fits = ({ spec }: Drive): boolean => (spec.ndmpHost !== '') === need.ndmp;
  return optionsForVolume(inventory, { mediaId, fits, reasons }).map(({ own, list }) =>
    optionOf(inventory, { unit: unitOf(inventory, own[0]!), drives: own, list }),
  );
}

/** A volume without images gets a label, in the drive that was named or in any; no storage unit counts the job. */
function selectForLabel(
  inventory: Inventory,
  { mediaId, density, drive, mediaServer }: LabelSpec,
  reasons: string[],
): MdsOption[] {
  const spec = inventory.volumes.find(mediaId)?.spec;
  if (spec !== undefined && spec.assignedMs > 0n) {
    const why = `volume ${mediaId} is assigned: expire its images first`;
    throw new Refusal('cannotOverwriteMedia', why);
  }
  if (spec !== undefined && spec.density !== density) {
    const why = `volume ${mediaId} is of density ${spec.density}, not ${density}`;
    throw new Refusal('densityMismatch', why);
  }
  const fits = (each: Drive): boolean =>
    (drive === '' || each.spec.name === drive) &&
    (mediaServer === '' || each.spec.mediaServer === mediaServer);
  return optionsForVolume(inventory, { mediaId, fits, reasons }).map(({ own, list }) =>
    optionOf(inventory, { unit: undefined, drives: own, list }),
  );
}

interface VolumeNeed {
  readonly mediaId: string;
  readonly fits: (drive: Drive) => boolean;
  readonly reasons: string[];
}

/** The one volume with the drives of each media server that could mount it. */
function optionsForVolume(
  inventory: Inventory,
  { mediaId, fits, reasons }: VolumeNeed,
): { own: Drive[]; list: VolumeList }[] {
  const volume = inventory.volumes.find(mediaId);
  if (volume === undefined) {
    throw new Refusal('mediaNotDefined', `the volume ${mediaId} is not in the EMM database`);
  }
  const unreadable = readableVolume(volume);
  if (unreadable !== '') throw new Refusal('mediaMisplaced', unreadable);
  const { density, robotNumber } = volume.spec;
  const fitting = inventory.drives
    .filter(({ spec }) => spec.robotNumber === robotNumber && spec.density === density)
    .filter(fits);
  if (fitting.length === 0) {
    throw new Refusal('noDrivesForJob', `no ${density} drive in robot ${robotNumber} is known`);
  }
  const up = upDrives(fitting);
  const servers = new Set(inventory.mediaServers.filter((s) => s.active).map((s) => s.name));
  const drives = up.filter(({ spec }) => servers.has(spec.mediaServer));
  for (const { spec } of up) {
    if (!servers.has(spec.mediaServer)) {
      reasons.push(`drive ${spec.name}: media server ${spec.mediaServer} is not active`);
    }
  }
  if (drives.length === 0) {
    const why = `no media server with a drive for ${mediaId} is active`;
    throw new Refusal('mediaServerNotActive', why);
  }
  const list = { volumes: [offeredVolume(volume, false)], mounted: false };
  const servedBy = byServer(byPreference(drives, inventory.drives), volume.mountedDrive);
  return servedBy.map((own) => ({ own, list }));
}

/** The drives of each media server, that server first which has the drive with the volume, then as drives come. */
function byServer(drives: readonly Drive[], mountedDrive: string): Drive[][] {
  const mounted = drives.filter(({ spec }) => spec.name === mountedDrive);
  const lists = new Map<string, Drive[]>();
  for (const drive of [...mounted, ...drives.filter((each) => !mounted.includes(each))]) {
    const { mediaServer } = drive.spec;
    lists.set(mediaServer, [...(lists.get(mediaServer) ?? []), drive]);
  }
  return [...lists.values()];
}

function unitOf(inventory: Inventory, { spec }: Drive): Inventory['units'][number] | undefined {
  return inventory.units.find(
    (unit) =>
      unit.mediaServer === spec.mediaServer &&
      unit.density === spec.density &&
      unit.robotNumber === spec.robotNumber,
  );
}
