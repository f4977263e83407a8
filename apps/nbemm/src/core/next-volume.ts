// Which volumes an image may go on upon, in the drive that it has. Promises: volumes of the same pool, retention level,
// density and robot; to write, those on which nothing is yet before those that are begun, and never one to be avoided.

import type { EvaluateReply, MdsVolume, ResourceRequest } from '@tapestry/contracts';
import type { Inventory } from './inventory.ts';
import { Refusal } from './refusal.ts';
import { offeredVolume, readableVolume, volumesForWrite } from './volume-choice.ts';

export interface NextFacts {
  readonly nowMs: number;
  readonly inUseMediaIds: readonly string[];
  /** Name of the drive. */
  readonly nextInDrive: string;
}

/** Errors (`Refusal`): 96 none fits, 167; to read also 2033, 2078. */
export function nextVolumes(
  inventory: Inventory,
  need: ResourceRequest,
  facts: NextFacts,
  reasons: string[],
): EvaluateReply['choices'] {
  const drive = inventory.drives.find(({ spec }) => spec.name === facts.nextInDrive);
  if (drive === undefined) {
    throw new Refusal('noDrivesForJob', `the drive ${facts.nextInDrive} is not known any more`);
  }
  const volumes =
    need.mode === 'DRIVE_MODE_READ'
      ? [volumeToRead(inventory, need.mediaId, drive.spec)]
      : volumesToWrite(inventory, need, { ...facts, ...drive.spec }, reasons);
  const { spec } = drive;
  return [
    {
      ...{ storageUnit: need.storageUnit, mediaServer: spec.mediaServer, drives: [spec], volumes },
      ...{ maxFragmentBytes: 0n, blockSizeBytes: inventory.blockSizeBytes, maxDrives: 0 },
      ...{ maxMpx: 0, counters: [], diskPath: '', diskHighWaterPercent: 0 },
      diskLowWaterPercent: 0,
    },
  ];
}

interface Place {
  readonly density: string;
  readonly robotNumber: number;
}

function volumesToWrite(
  inventory: Inventory,
  need: ResourceRequest,
  facts: NextFacts & Place,
  reasons: string[],
): MdsVolume[] {
  const poolName = need.pool === '' ? 'NetBackup' : need.pool;
  const pool = inventory.pools.find(({ name }) => name === poolName);
  if (pool === undefined) {
    throw new Refusal('poolMissing', `the volume pool ${poolName} does not exist`);
  }
  const { density, robotNumber, nowMs, nextInDrive, inUseMediaIds } = facts;
  const avoid = new Set(need.avoidMediaIds);
  const { volumes } = volumesForWrite(
    inventory,
    {
      ...{ density, robotNumber, pool, nowMs, avoid, freshFirst: true },
      ...{ drives: new Set([nextInDrive]), inUse: new Set(inUseMediaIds) },
      retentionLevel: need.retentionLevel,
    },
    reasons,
  );
  const offered = volumes.filter(({ volume }) => !avoid.has(volume?.mediaId ?? ''));
  if (offered.length > 0) return offered;
  throw new Refusal(
    'noMediaAvailable',
    `no other volume of pool ${poolName} fits, and no scratch volume: add media, or free some`,
  );
}

function volumeToRead(inventory: Inventory, mediaId: string, place: Place): MdsVolume {
  const volume = inventory.volumes.find(mediaId);
  if (volume === undefined) {
    throw new Refusal('mediaNotDefined', `the volume ${mediaId} is not in the EMM database`);
  }
  const { density, robotNumber } = volume.spec;
  const where = readableVolume(volume);
  if (where !== '') throw new Refusal('mediaMisplaced', where);
  if (robotNumber !== place.robotNumber || density !== place.density) {
    const why = `volume ${mediaId} (${density}) is in robot ${robotNumber}, and the image is read in robot ${place.robotNumber} (${place.density})`;
    throw new Refusal('mediaMisplaced', why);
  }
  return offeredVolume(volume, false);
}
