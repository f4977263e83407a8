// MDS: which storage unit, drive and volume fit a request, in the order of choice, or why none can. Promises: a pure
// function of inventory and need; being in use is not its business, and it refuses only what no change of use cures.

import type { Candidate, Init, ResourceRequest, StorageUnit } from '@tapestry/contracts';
import { StatusError, type StatusName, toWire, type WireStatus } from '@tapestry/status';
import type { Drive, Inventory, Volume } from './inventory.ts';
import { preferDrives, rankForWrite, readableVolume } from './volume-choice.ts';

export interface Choice {
  readonly candidates: readonly Init<Candidate>[];
  /** What was passed over and why. */
  readonly reasons: readonly string[];
  readonly refusal: WireStatus | undefined;
}

/** More pairs than this help nobody: nbrb names the volumes in use as "avoid", and those come last. */
const CANDIDATES_MAX = 256;
const REASONS_MAX = 50;

const MIB = 1_048_576n;

/** Refused for good. Thrown inside this file only; select() turns it into a value. */
class Refusal extends Error {
  readonly status: StatusName;
  constructor(status: StatusName, detail: string) {
    super(detail);
    this.status = status;
  }
}

export function select(inventory: Inventory, need: ResourceRequest): Choice {
  const reasons: string[] = [];
  try {
    const pairs =
      need.mode === 'DRIVE_MODE_READ'
        ? selectForRead(inventory, need, reasons)
        : selectForWrite(inventory, need, reasons);
    const candidates = pairs.slice(0, CANDIDATES_MAX);
    return { candidates, reasons: reasons.slice(0, REASONS_MAX), refusal: undefined };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const refusal = toWire(new StatusError(error.status, error.message));
    return { candidates: [], reasons: reasons.slice(0, REASONS_MAX), refusal };
  }
}

interface Reach {
  readonly unit: StorageUnit;
  readonly drives: readonly Drive[];
}

function selectForWrite(
  inventory: Inventory,
  need: ResourceRequest,
  reasons: string[],
): Init<Candidate>[] {
  const poolName = need.pool === '' ? 'NetBackup' : need.pool;
  const pool = inventory.pools.find((each) => each.name === poolName);
  if (pool === undefined) {
    throw new Refusal('poolMissing', `the volume pool ${poolName} does not exist`);
  }
  const reaches = reachableUnits(inventory, need.storageUnit, reasons);
  const scratchPools = new Set(inventory.pools.filter((p) => p.scratch).map((p) => p.name));
  const ranked = reaches.flatMap((reach, unitOrder) =>
    inventory.volumes.flatMap((volume) => {
      const rank = rankForWrite(volume, {
        density: reach.unit.density,
        robotNumber: reach.unit.robotNumber,
        pool: pool.name,
        retentionLevel: need.retentionLevel,
        scratchPools,
        drives: new Set(reach.drives.map((drive) => drive.spec.name)),
        avoid: need.avoidMediaIds,
      });
      if ('why' in rank) {
        if (rank.why !== '') reasons.push(rank.why);
        return [];
      }
      return [{ volume, rank, reach, unitOrder }];
    }),
  );
  if (ranked.length === 0) {
    throw new Refusal(
      'noMediaAvailable',
      `no volume of pool ${pool.name} fits, and no scratch volume: add media, or free some`,
    );
  }
  ranked.sort(
    (a, b) =>
      a.rank.tier - b.rank.tier ||
      a.unitOrder - b.unitOrder ||
      a.volume.lastUsedMs - b.volume.lastUsedMs ||
      compareText(a.volume.spec.mediaId, b.volume.spec.mediaId),
  );
  return ranked.flatMap(({ volume, rank, reach }) =>
    preferDrives(reach.drives, volume).map((drive) =>
      candidate(inventory, reach.unit, drive, volume, rank.needsAssign),
    ),
  );
}

/** The storage units that may serve, each with its usable drives; refuses with the most telling status. */
function reachableUnits(inventory: Inventory, label: string, reasons: string[]): Reach[] {
  const units = namedUnits(inventory, label);
  const failures: Refusal[] = [];
  const reaches: Reach[] = [];
  for (const unit of units) {
    try {
      reaches.push({ unit, drives: usableDrives(inventory, unit) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failures.push(error);
      reasons.push(`storage unit ${unit.label}: ${error.message}`);
    }
  }
  const [first] = failures;
  if (reaches.length === 0 && first !== undefined) throw first;
  return reaches;
}

function namedUnits(inventory: Inventory, label: string): StorageUnit[] {
  if (label !== '') {
    const unit = inventory.units.find((each) => each.label === label);
    if (unit === undefined) {
      throw new Refusal('storageUnitMissing', `the storage unit ${label} does not exist`);
    }
    return [unit];
  }
  if (inventory.units.length === 0) {
    throw new Refusal('storageUnitMissing', 'no storage unit is configured');
  }
  const units = inventory.units.filter((unit) => !unit.onDemandOnly);
  if (units.length === 0) {
    throw new Refusal(
      'storageUnitMissing',
      'every storage unit is on demand only: name one in the policy',
    );
  }
  return units.sort((a, b) => compareText(a.label, b.label));
}

function usableDrives(inventory: Inventory, unit: StorageUnit): Drive[] {
  if (unit.ndmpHost !== '') {
    throw new Refusal(
      'storageUnitIncompatible',
      `storage unit ${unit.label} hangs on NDMP host ${unit.ndmpHost}, which only a local or three-way backup may use`,
    );
  }
  requireActive(inventory, unit.mediaServer);
  const drives = inventory.drives.filter(
    ({ spec }) =>
      spec.mediaServer === unit.mediaServer &&
      spec.density === unit.density &&
      spec.robotNumber === unit.robotNumber &&
      spec.ndmpHost === '',
  );
  if (drives.length === 0) {
    throw new Refusal(
      'noDrivesForJob',
      `no ${unit.density} drive in robot ${unit.robotNumber} is configured on ${unit.mediaServer}`,
    );
  }
  return upDrives(drives);
}

function upDrives(drives: readonly Drive[]): Drive[] {
  const up = drives.filter((drive) => drive.up);
  if (up.length === 0) {
    const names = drives.map(({ spec, reason }) => `${spec.name}${reason && ` (${reason})`}`);
    throw new Refusal('driveDown', `every drive that fits is down: ${names.join(', ')}`);
  }
  return up;
}

function requireActive(inventory: Inventory, name: string): void {
  const server = inventory.mediaServers.find((each) => each.name === name);
  if (server === undefined) {
    throw new Refusal('mediaServerMissing', `the media server ${name} is not known`);
  }
  if (!server.active) {
    throw new Refusal('mediaServerNotActive', `the media server ${name} is not active`);
  }
}

/** A read wants one certain volume; any media server that has drives in its robot will do. */
function selectForRead(
  inventory: Inventory,
  need: ResourceRequest,
  reasons: string[],
): Init<Candidate>[] {
  const { mediaId } = need;
  const volume = inventory.volumes.find((each) => each.spec.mediaId === mediaId);
  if (volume === undefined) {
    throw new Refusal('mediaNotDefined', `the volume ${mediaId} is not in the EMM database`);
  }
  const unreadable = readableVolume(volume);
  if (unreadable !== '') throw new Refusal('mediaMisplaced', unreadable);
  const fitting = inventory.drives.filter(
    ({ spec }) =>
      spec.robotNumber === volume.spec.robotNumber &&
      spec.density === volume.spec.density &&
      spec.ndmpHost === '',
  );
  const { density, robotNumber } = volume.spec;
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
    throw new Refusal(
      'mediaServerNotActive',
      `no media server with a drive for ${mediaId} is active`,
    );
  }
  return preferDrives(drives, volume).map((drive) =>
    candidate(inventory, unitOf(inventory, drive), drive, volume, false),
  );
}

function unitOf(inventory: Inventory, { spec }: Drive): StorageUnit | undefined {
  return inventory.units.find(
    (unit) =>
      unit.mediaServer === spec.mediaServer &&
      unit.density === spec.density &&
      unit.robotNumber === spec.robotNumber,
  );
}

function candidate(
  inventory: Inventory,
  unit: StorageUnit | undefined,
  drive: Drive,
  volume: Volume,
  needsAssign: boolean,
): Init<Candidate> {
  return {
    storageUnit: unit?.label ?? '',
    mediaServer: drive.spec.mediaServer,
    drive: drive.spec,
    volume: volume.spec,
    volumeVersion: volume.version,
    needsAssign,
    maxFragmentBytes: (unit?.maxFragmentMb ?? 0n) * MIB,
    blockSizeBytes: inventory.blockSizeBytes,
    maxDrives: unit?.maxDrives ?? 0,
    mounted: volume.mountedDrive === drive.spec.name,
  };
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
