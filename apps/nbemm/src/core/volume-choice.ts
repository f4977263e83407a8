// Which volumes a write may use, and in which order: mounted and suitable, then begun ones, then unused ones of the
// pool, then scratch; among equals the least recently used. And in words, which volumes were passed over and why.

import type { MdsVolume } from '@tapestry/contracts';
import { type Drive, type Inventory, MEDIA_BIT, type Pool, type Volume } from './inventory.ts';
import { byUse, unusable, type VolumeIndex } from './volume-index.ts';

export interface WriteNeed {
  readonly density: string;
  readonly robotNumber: number;
  readonly pool: Pool;
  readonly retentionLevel: number;
  /** Names of the drives that could be used. */
  readonly drives: ReadonlySet<string>;
  /** Failed in earlier tries: last of all, and before nothing. */
  readonly avoid: ReadonlySet<string>;
  /** Somebody has them now: after all that are free. */
  readonly inUse: ReadonlySet<string>;
  readonly nowMs: number;
  /** Volumes that hold nothing before those that are begun: an image goes on there, and should not stop again soon. */
  readonly freshFirst?: boolean;
}

export interface VolumeList {
  readonly volumes: readonly MdsVolume[];
  /** One of them is mounted in one of the drives and free. */
  readonly mounted: boolean;
}

/** So many free volumes are offered, and so many that are in use: for the reasons that people read. */
const FREE_MAX = 64;
const IN_USE_MAX = 8;

export function volumesForWrite(
  { volumes, pools }: Pick<Inventory, 'volumes' | 'pools'>,
  need: WriteNeed,
  reasons: string[],
): VolumeList {
  const ranked = new Ranking(need, reasons);
  if (need.freshFirst) addFresh({ volumes, pools }, need, ranked, reasons);
  const mounted = addBegun(volumes, need, ranked);
  if (!need.freshFirst) addFresh({ volumes, pools }, need, ranked, reasons);
  passedOver(volumes, need, reasons);
  return { volumes: ranked.list, mounted };
}

/** True: a mounted one is among them and free. */
function addBegun(volumes: VolumeIndex, need: WriteNeed, ranked: Ranking): boolean {
  const { density, robotNumber, pool } = need;
  const shelf = volumes.shelf(density, robotNumber, pool.name);
  const before = ranked.size;
  const mountedOnes = [...need.drives]
    .flatMap((drive) => volumes.mountedIn(drive))
    .filter((volume) => isBegunFor(volume, need))
    .sort(byUse);
  ranked.add(mountedOnes, false);
  const mounted = ranked.size > before;
  if (shelf !== undefined) {
    const own = shelf.active.get(need.retentionLevel) ?? [];
    ranked.add(merged(own, shelf.mixed, new Set(mountedOnes)), false);
  }
  return mounted;
}

function addFresh(
  { volumes, pools }: Pick<Inventory, 'volumes' | 'pools'>,
  need: WriteNeed,
  ranked: Ranking,
  reasons: string[],
): void {
  const { density, robotNumber, pool } = need;
  if (!mayBegin(volumes, pool, reasons)) return;
  ranked.add(volumes.shelf(density, robotNumber, pool.name)?.unassigned ?? [], true);
  for (const scratch of pools) {
    if (!scratch.scratch || scratch.name === pool.name) continue;
    ranked.add(volumes.shelf(density, robotNumber, scratch.name)?.unassigned ?? [], true);
  }
}

/** Volumes in the order in which they are added, but those in use later, and those to avoid last. */
class Ranking {
  readonly #need: WriteNeed;
  readonly #reasons: string[];
  readonly #free: MdsVolume[] = [];
  readonly #inUse: MdsVolume[] = [];
  readonly #avoided: MdsVolume[] = [];

  constructor(need: WriteNeed, reasons: string[]) {
    this.#need = need;
    this.#reasons = reasons;
  }

  get size(): number {
    return this.#free.length;
  }

  get list(): MdsVolume[] {
    return [...this.#free, ...this.#inUse, ...this.#avoided];
  }

  add(volumes: Iterable<Volume>, needsAssign: boolean): void {
    const { avoid, inUse, nowMs } = this.#need;
    for (const volume of volumes) {
      const { mediaId } = volume.spec;
      if (this.#free.length >= FREE_MAX) return;
      if (volume.expirationMs > 0 && volume.expirationMs <= nowMs) {
        if (this.#reasons.length < FREE_MAX) this.#reasons.push(`volume ${mediaId}: expired`);
        continue;
      }
      const offered = offeredVolume(volume, needsAssign);
      if (avoid.has(mediaId)) this.#avoided.push(offered);
      else if (!inUse.has(mediaId)) this.#free.push(offered);
      else if (this.#inUse.length < IN_USE_MAX) this.#inUse.push(offered);
    }
  }
}

export function offeredVolume(volume: Volume, needsAssign: boolean): MdsVolume {
  const { spec, version, mountedDrive } = volume;
  return { volume: spec, version, needsAssign, mountedDrive };
}

function isBegunFor(
  volume: Volume,
  { density, robotNumber, pool, retentionLevel }: WriteNeed,
): boolean {
  const { spec, statusBits } = volume;
  return (
    spec.density === density &&
    spec.robotNumber === robotNumber &&
    spec.pool === pool.name &&
    spec.assignedMs > 0n &&
    unusable(volume) === undefined &&
    (spec.retentionLevel === retentionLevel || (statusBits & MEDIA_BIT.multiRetention) !== 0)
  );
}

/** Two lists in the order of use as one, as far as it is read. */
function* merged(
  a: readonly Volume[],
  b: readonly Volume[],
  without: ReadonlySet<Volume>,
): Generator<Volume> {
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && byUse(a[i]!, b[j]!) <= 0);
    const next = fromA ? a[i++]! : b[j++]!;
    if (!without.has(next)) yield next;
  }
}

/** Whether the pool may have one more volume that is begun and not full. */
function mayBegin(volumes: VolumeIndex, pool: Pool, reasons: string[]): boolean {
  if (pool.maxPartiallyFull === 0) return true;
  const begun = volumes
    .shelvesOf(pool.name)
    .flatMap((shelf) => [...shelf.active.values(), shelf.mixed])
    .reduce((sum, list) => sum + list.length, 0);
  if (begun < pool.maxPartiallyFull) return true;
  reasons.push(
    `pool ${pool.name} has ${begun} partially full volumes, and may have ${pool.maxPartiallyFull}`,
  );
  return false;
}

function passedOver(volumes: VolumeIndex, need: WriteNeed, reasons: string[]): void {
  for (const shelf of volumes.shelvesOf(need.pool.name)) {
    if (shelf.density !== need.density) continue;
    if (shelf.robotNumber !== need.robotNumber) {
      const lists = [...shelf.active.values(), shelf.mixed, shelf.unassigned];
      tell(reasons, lists, `in robot ${shelf.robotNumber}`);
      continue;
    }
    for (const [why, list] of shelf.passedOver) tell(reasons, [list], why);
    for (const [level, list] of shelf.active) {
      if (level !== need.retentionLevel) tell(reasons, [list], `holds retention level ${level}`);
    }
  }
}

const NAMED_MAX = 3;

function tell(reasons: string[], lists: readonly (readonly Volume[])[], why: string): void {
  const names = lists
    .flatMap((list) => list.slice(0, NAMED_MAX))
    .slice(0, NAMED_MAX)
    .map(({ spec }) => spec.mediaId);
  const rest = lists.reduce((sum, list) => sum + list.length, 0) - names.length;
  if (names.length === 0) return;
  reasons.push(
    rest > 0
      ? `volumes ${names.join(', ')} and ${rest} more: ${why}`
      : `volume${names.length > 1 ? 's' : ''} ${names.join(', ')}: ${why}`,
  );
}

/** Why a volume cannot be read, or empty. A frozen volume is readable. */
export function readableVolume(volume: Volume): string {
  const { mediaId, slot } = volume.spec;
  return slot > 0 || volume.mountedDrive !== ''
    ? ''
    : `the volume ${mediaId} is in no robot: put it back and run an inventory`;
}

/**
 * Drives in the order of choice: those that one host alone can reach, so that shared ones stay free for others, then
 * the least recently used.
 */
export function byPreference(drives: readonly Drive[], all: readonly Drive[]): Drive[] {
  const ways = new Map<string, number>();
  for (const { spec } of all) ways.set(spec.name, (ways.get(spec.name) ?? 0) + 1);
  const shared = ({ spec }: Drive): number => (ways.get(spec.name)! > 1 ? 1 : 0);
  return [...drives].sort(
    (a, b) => shared(a) - shared(b) || a.lastUsedMs - b.lastUsedMs || a.spec.index - b.spec.index,
  );
}
