// Which volumes a write may use, and in which order: mounted and suitable, then begun ones, then unused ones of the
// pool, then scratch. One rule a line, each with the words that an operator reads when it passes a volume over.

import { type Drive, MEDIA_BIT, type Volume } from './inventory.ts';

export interface WriteNeed {
  readonly density: string;
  readonly robotNumber: number;
  readonly pool: string;
  readonly retentionLevel: number;
  readonly scratchPools: ReadonlySet<string>;
  /** Names of the drives that could be used. */
  readonly drives: ReadonlySet<string>;
  readonly avoid: readonly string[];
}

export interface Rank {
  /** Lower is better. */
  readonly tier: number;
  readonly needsAssign: boolean;
}

const TIER = { mounted: 0, active: 1, available: 2, scratch: 3 } as const;
/** Media that failed in earlier tries come last of all, and before nothing. */
const AVOIDED = 10;

/** The place of a volume in the order of choice, or why it has none (empty: it is simply another kind). */
export function rankForWrite(volume: Volume, need: WriteNeed): Rank | { readonly why: string } {
  const { spec } = volume;
  const inPool = spec.pool === need.pool;
  const assigned = spec.assignedMs > 0n;
  const inScratch = need.scratchPools.has(spec.pool) && !assigned;
  if (spec.density !== need.density || (!inPool && !inScratch)) return { why: '' };
  const why =
    unusable(volume, need) ?? (assigned ? unmixable(volume, need.retentionLevel) : undefined);
  if (why !== undefined) return { why: `volume ${spec.mediaId}: ${why}` };
  const tier = assigned
    ? need.drives.has(volume.mountedDrive)
      ? TIER.mounted
      : TIER.active
    : inPool
      ? TIER.available
      : TIER.scratch;
  const avoided = need.avoid.includes(spec.mediaId) ? AVOIDED : 0;
  return { tier: tier + avoided, needsAssign: !assigned };
}

function unusable(volume: Volume, need: WriteNeed): string | undefined {
  const { spec, statusBits, mounts, maxMounts } = volume;
  if (spec.slot === 0) return 'not in a robot';
  if (spec.robotNumber !== need.robotNumber) return `in robot ${spec.robotNumber}`;
  if (statusBits & MEDIA_BIT.frozen) return 'FROZEN';
  if (statusBits & MEDIA_BIT.suspended) return 'SUSPENDED';
  if (statusBits & MEDIA_BIT.full) return 'FULL';
  if (statusBits & MEDIA_BIT.imported) return 'IMPORTED, which is never appended';
  if (maxMounts > 0 && mounts >= maxMounts) return `at its ${maxMounts} mounts`;
  return undefined;
}

/** One retention level a volume, by its number, unless the volume allows more. */
function unmixable(volume: Volume, retentionLevel: number): string | undefined {
  if (volume.statusBits & MEDIA_BIT.multiRetention) return undefined;
  const { retentionLevel: held } = volume.spec;
  return held === retentionLevel ? undefined : `holds retention level ${held}`;
}

/** Why a volume cannot be read, or empty. A frozen volume is readable. */
export function readableVolume(volume: Volume): string {
  const { mediaId, slot } = volume.spec;
  return slot > 0 || volume.mountedDrive !== ''
    ? ''
    : `the volume ${mediaId} is in no robot: put it back and run an inventory`;
}

/** The drive that has the volume first, then the least recently used. */
export function preferDrives(drives: readonly Drive[], volume: Volume): Drive[] {
  const holds = (drive: Drive): number => (drive.spec.name === volume.mountedDrive ? 0 : 1);
  return [...drives].sort(
    (a, b) => holds(a) - holds(b) || a.lastUsedMs - b.lastUsedMs || a.spec.index - b.spec.index,
  );
}
