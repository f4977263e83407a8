// What is taken, while a round hands out: who has which drive and volume, how far counters and storage units are used,
// which streams share a drive, and what is kept for somebody who waits. Only ever fills up during a round.

import type { DriveSpec, MdsOption, MdsVolume, ResourceRequest } from '@tapestry/contracts';
import { isWrite, jobOf, type Need, poolOf } from './need.ts';

/** A drive or volume that nobody else may have now. */
export interface Holding {
  readonly kind: 'drive' | 'volume';
  readonly name: string;
  /** The job that holds it; undefined when it is unknown who does. */
  readonly jobId: bigint | undefined;
  /** Set when its state is unknown: why. */
  readonly reason: string;
}

/** A grant, as it counts for limits. */
export interface Use {
  readonly counters: readonly string[];
  readonly storageUnit: string;
  readonly mediaServer: string;
  /** It writes, with a drive of its own: it counts for the limit of its storage unit. */
  readonly writes: boolean;
  readonly epoch: bigint;
}

/** Streams that share one drive and volume. */
export interface MpxGroup {
  /** The grant that began it; of one that began in this round, the key of its request. */
  readonly id: string;
  readonly jobId: bigint;
  readonly storageUnit: string;
  readonly pool: string;
  readonly retentionLevel: number;
  readonly drive: string;
  readonly mediaId: string;
  readonly members: number;
  readonly max: number;
  /** `opening`: its volume is still being assigned, so who would join waits a moment. */
  readonly state: 'open' | 'opening' | 'closed';
}

export interface Holdings {
  readonly held: readonly Holding[];
  /** One for each grant that still counts for limits. */
  readonly uses: readonly Use[];
  readonly groups: readonly MpxGroup[];
}

/** One part of what a request gets. */
export interface Pick {
  readonly need: Need;
  readonly option: MdsOption;
  /** Both null for a disk storage unit. */
  readonly drive: DriveSpec | null;
  readonly volume: MdsVolume | null;
  /** The group that it joins: then drive and volume are in use already, by that group. */
  readonly join: MpxGroup | undefined;
}

interface Holder {
  readonly jobId: bigint | undefined;
  readonly reason: string;
}

export class Books {
  /** Raised by whatever may change a choice. */
  version = 0;
  /** Name → by whom it is taken. */
  readonly drives = new Map<string, Holder>();
  readonly volumes = new Map<string, Holder>();
  readonly counters = new Map<string, number>();
  readonly units = new Map<string, number>();
  readonly servers = new Map<string, number>();
  /** When each storage unit was given out last, as an epoch. */
  readonly turns = new Map<string, bigint>();
  /** What waits for a job that has waited long, or for a read: nobody after it gets these. */
  readonly keptVolumes = new Map<string, bigint>();
  readonly keptDrives = new Map<string, bigint>();
  readonly keptCounters = new Map<string, bigint>();
  /** Lists of drives of which none is free any more, by identity, with why. */
  readonly exhausted = new Map<readonly DriveSpec[], readonly string[]>();
  readonly groups: MpxGroup[];
  #turn = 0n;

  constructor({ held, uses, groups }: Holdings) {
    this.groups = [...groups];
    for (const { kind, name, jobId, reason } of held) {
      (kind === 'drive' ? this.drives : this.volumes).set(name, { jobId, reason });
    }
    for (const use of uses) {
      for (const name of use.counters) this.#add(this.counters, name);
      if (use.writes) this.#add(this.units, use.storageUnit);
      this.#add(this.servers, use.mediaServer);
      if (use.epoch > this.#turn) this.#turn = use.epoch;
      const turn = this.turns.get(use.storageUnit) ?? 0n;
      if (use.epoch > turn) this.turns.set(use.storageUnit, use.epoch);
    }
  }

  driveIsFree(name: string): boolean {
    return !this.drives.has(name) && !this.keptDrives.has(name);
  }

  /** Why a drive that is not free is not. */
  driveTaken(name: string): string {
    const holder = this.drives.get(name);
    if (holder !== undefined) return `drive ${name} ${inWords(holder)}`;
    const keeper = this.keptDrives.get(name);
    return `drive ${name} is kept for job ${keeper}, which has waited long for several drives`;
  }

  volumeTaken(mediaId: string, writes: boolean): string | undefined {
    const holder = this.volumes.get(mediaId);
    if (holder !== undefined) return `volume ${mediaId} ${inWords(holder)}`;
    const keeper = writes ? this.keptVolumes.get(mediaId) : undefined;
    return keeper === undefined
      ? undefined
      : `volume ${mediaId} is kept for job ${keeper}, which waits to read it`;
  }

  /** A limit of 0 is none. */
  counterHasRoom(name: string, limit: number): boolean {
    const kept = this.keptCounters.has(name) ? 1 : 0;
    return limit === 0 || (this.counters.get(name) ?? 0) + kept < limit;
  }

  /** Why a counter that has no room has none. */
  counterFull(name: string, limit: number): string {
    const used = this.counters.get(name) ?? 0;
    if (used >= limit) return `limit of ${name} has been reached: ${used} of ${limit}`;
    return `the last of ${limit} of ${name} is kept for job ${this.keptCounters.get(name)}, which has waited long`;
  }

  keepVolume(mediaId: string, jobId: bigint): void {
    this.#keep(this.keptVolumes, mediaId, jobId);
  }

  keepDrive(name: string, jobId: bigint): void {
    this.#keep(this.keptDrives, name, jobId);
  }

  keepCounter(name: string, jobId: bigint): void {
    this.#keep(this.keptCounters, name, jobId);
  }

  #keep(kept: Map<string, bigint>, name: string, jobId: bigint): void {
    if (kept.has(name)) return;
    kept.set(name, jobId);
    this.version += 1;
  }

  unitFull({ storageUnit, maxDrives, diskPath }: MdsOption, more: number): string | undefined {
    const used = (this.units.get(storageUnit) ?? 0) + more;
    if (maxDrives === 0 || used < maxDrives) return undefined;
    const what = diskPath === '' ? 'drives' : 'jobs';
    return `${used} of ${maxDrives} ${what} of storage unit ${storageUnit} are in use`;
  }

  /** Writes down what a request gets. */
  enter(key: string, request: ResourceRequest, picks: readonly Pick[]): void {
    this.version += 1;
    for (const { name } of request.counters) this.#add(this.counters, name);
    for (const pick of picks) {
      if (pick.join === undefined) this.#enterPick(key, request, pick);
      else {
        const at = this.groups.indexOf(pick.join);
        this.groups[at] = { ...pick.join, members: pick.join.members + 1 };
      }
    }
  }

  #enterPick(key: string, request: ResourceRequest, pick: Pick): void {
    const { option, drive, volume, need } = pick;
    const holder = { jobId: jobOf(request), reason: '' };
    if (drive !== null) this.drives.set(drive.name, holder);
    const mediaId = volume?.volume?.mediaId ?? '';
    if (volume !== null) this.volumes.set(mediaId, holder);
    for (const { name } of option.counters) this.#add(this.counters, name);
    this.#add(this.servers, option.mediaServer);
    this.#turn += 1n;
    this.turns.set(option.storageUnit, this.#turn);
    if (!isWrite(need.request)) return;
    this.#add(this.units, option.storageUnit);
    const max = Math.min(option.maxMpx, request.maxMpx);
    if (max <= 1 || drive === null || volume === null) return;
    this.groups.push({
      ...{ id: key, jobId: jobOf(request), drive: drive.name, mediaId, members: 1, max },
      ...{ storageUnit: option.storageUnit, pool: poolOf(need.request) },
      retentionLevel: need.request.retentionLevel,
      state: volume.needsAssign ? 'opening' : 'open',
    });
  }

  #add(counts: Map<string, number>, name: string): void {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
}

function inWords({ jobId, reason }: Holder): string {
  return reason === '' ? `is held by job ${jobId}` : `is unknown: ${reason}`;
}
