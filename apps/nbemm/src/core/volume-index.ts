// The volumes, on shelves: by density, robot and pool, and there by what a write may do with them, least recently used
// first. A choice takes the first few of a shelf; it never looks at them all.

import { MEDIA_BIT, type Volume } from './inventory.ts';

export interface Shelf {
  readonly density: string;
  readonly robotNumber: number;
  readonly pool: string;
  /** Begun and not full, by the retention level that they hold. */
  readonly active: ReadonlyMap<number, readonly Volume[]>;
  /** Begun and not full, and any retention level may be added. */
  readonly mixed: readonly Volume[];
  readonly unassigned: readonly Volume[];
  /** Not to be written: why → the volumes. */
  readonly passedOver: ReadonlyMap<string, readonly Volume[]>;
}

interface OpenShelf extends Shelf {
  readonly active: Map<number, Volume[]>;
  readonly mixed: Volume[];
  readonly unassigned: Volume[];
  readonly passedOver: Map<string, Volume[]>;
}

export class VolumeIndex {
  readonly #byId = new Map<string, Volume>();
  readonly #shelves = new Map<string, OpenShelf>();
  /** By the drive in which they were seen last; a hint, so several may claim one drive. */
  readonly #mounted = new Map<string, Set<Volume>>();

  constructor(volumes: Iterable<Volume> = []) {
    const lists = new Set<Volume[]>();
    for (const volume of volumes) {
      this.#know(volume);
      const list = this.#listOf(volume);
      list.push(volume);
      lists.add(list);
    }
    for (const list of lists) list.sort(byUse);
  }

  get size(): number {
    return this.#byId.size;
  }

  find(mediaId: string): Volume | undefined {
    return this.#byId.get(mediaId);
  }

  /** Adds a volume, or replaces what was known of it. */
  set(volume: Volume): void {
    this.delete(volume.spec.mediaId);
    this.#know(volume);
    const list = this.#listOf(volume);
    list.splice(placeIn(list, volume), 0, volume);
  }

  delete(mediaId: string): void {
    const volume = this.#byId.get(mediaId);
    if (volume === undefined) return;
    this.#byId.delete(mediaId);
    this.#mounted.get(volume.mountedDrive)?.delete(volume);
    const list = this.#listOf(volume);
    list.splice(placeIn(list, volume), 1);
  }

  shelf(density: string, robotNumber: number, pool: string): Shelf | undefined {
    return this.#shelves.get(shelfKey(density, robotNumber, pool));
  }

  /** Shelves of a pool, whatever their robot and density. */
  shelvesOf(pool: string): Shelf[] {
    return [...this.#shelves.values()].filter((shelf) => shelf.pool === pool);
  }

  mountedIn(drive: string): Volume[] {
    return [...(this.#mounted.get(drive) ?? [])];
  }

  #know(volume: Volume): void {
    this.#byId.set(volume.spec.mediaId, volume);
    if (volume.mountedDrive === '') return;
    const there = this.#mounted.get(volume.mountedDrive) ?? new Set();
    this.#mounted.set(volume.mountedDrive, there.add(volume));
  }

  #listOf(volume: Volume): Volume[] {
    const { density, robotNumber, pool, assignedMs, retentionLevel } = volume.spec;
    const key = shelfKey(density, robotNumber, pool);
    let shelf = this.#shelves.get(key);
    if (shelf === undefined) {
      shelf = {
        ...{ density, robotNumber, pool, active: new Map(), mixed: [], unassigned: [] },
        passedOver: new Map(),
      };
      this.#shelves.set(key, shelf);
    }
    const why = unusable(volume);
    if (why !== undefined) return listIn(shelf.passedOver, why);
    if (assignedMs === 0n) return shelf.unassigned;
    if (volume.statusBits & MEDIA_BIT.multiRetention) return shelf.mixed;
    return listIn(shelf.active, retentionLevel);
  }
}

function shelfKey(density: string, robotNumber: number, pool: string): string {
  return `${density}/${robotNumber}/${pool}`;
}

function listIn<K>(lists: Map<K, Volume[]>, key: K): Volume[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

/** Why nothing may be written on a volume, whatever is wanted. One rule a line, in the words that people read. */
export function unusable({ spec, statusBits, mounts, maxMounts }: Volume): string | undefined {
  if (spec.slot === 0) return 'not in a robot';
  if (statusBits & MEDIA_BIT.frozen) return 'FROZEN';
  if (statusBits & MEDIA_BIT.suspended) return 'SUSPENDED';
  if (statusBits & MEDIA_BIT.full) return 'FULL';
  if (statusBits & MEDIA_BIT.imported) return 'IMPORTED, which is never appended';
  if (maxMounts > 0 && mounts >= maxMounts) return `at its ${maxMounts} mounts`;
  return undefined;
}

/** Least recently used first. */
export function byUse(a: Volume, b: Volume): number {
  return a.lastUsedMs - b.lastUsedMs || compareText(a.spec.mediaId, b.spec.mediaId);
}

function placeIn(list: readonly Volume[], volume: Volume): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byUse(list[middle]!, volume) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
