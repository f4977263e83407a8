// What nbemm knows of devices and media, as its decisions see it: rows of the EMM database without the database.

import type { DriveSpec, RobotSpec, StorageUnit, VolumeSpec } from '@tapestry/contracts';
import type { DiskFact } from './disk-choice.ts';
import type { VolumeIndex } from './volume-index.ts';

/** Bits of a volume's status, as bpmedialist prints them. */
export const MEDIA_BIT = {
  frozen: 0x001,
  suspended: 0x002,
  full: 0x008,
  multiRetention: 0x040,
  imported: 0x080,
} as const;

export interface Drive {
  readonly spec: DriveSpec;
  readonly up: boolean;
  readonly reason: string;
  readonly lastUsedMs: number;
}

export interface Volume {
  readonly spec: VolumeSpec;
  /** Raised by every change of the row. */
  readonly version: bigint;
  readonly statusBits: number;
  readonly mounts: number;
  /** 0: no limit. */
  readonly maxMounts: number;
  /** Last mount or write, whichever was later. */
  readonly lastUsedMs: number;
  /** The drive in which it was last seen; empty when in none. A hint: only the drive's host knows. */
  readonly mountedDrive: string;
  /** Written no more after this time; 0: never. */
  readonly expirationMs: number;
}

export interface Pool {
  readonly number: number;
  readonly name: string;
  readonly scratch: boolean;
  /** Most volumes begun and not full; 0: no limit. */
  readonly maxPartiallyFull: number;
}

/** Storage units of which one is chosen. */
export interface UnitGroup {
  readonly name: string;
  /** prioritized, failover, round_robin or load_balance. */
  readonly selection: string;
  /** Labels, in order. */
  readonly units: readonly string[];
}

export interface MediaServer {
  readonly name: string;
  readonly active: boolean;
}

export interface Inventory {
  readonly units: readonly StorageUnit[];
  readonly groups: readonly UnitGroup[];
  readonly mediaServers: readonly MediaServer[];
  readonly robots: readonly RobotSpec[];
  readonly drives: readonly Drive[];
  readonly pools: readonly Pool[];
  readonly volumes: VolumeIndex;
  /** By the label of a disk storage unit; absent while nobody has told. */
  readonly disks: ReadonlyMap<string, DiskFact>;
  /** Block size that bptm is to write with. */
  readonly blockSizeBytes: number;
}
