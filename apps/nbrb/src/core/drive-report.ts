// What a media server's word about its drives means for the books: what may be freed, and what must not be given out.
// Nothing is released on a guess: a grant that lives keeps its drive, whatever the drive looks like before the mount.

import { isLive, type Member } from './life.ts';

/** One drive as its host sees it now. */
export interface DriveSight {
  readonly drive: string;
  /** The grant that holds it; empty when nobody does. */
  readonly holder: string;
  readonly holderJobId: bigint;
  readonly mediaId: string;
  /** The host itself does not know: no conclusion. */
  readonly unsure: boolean;
  /** Why nobody may have it for now, though nobody holds it: it is cleaned. */
  readonly away?: string;
  /** The volume is in the drive, and none that was there before. */
  readonly mounted: boolean;
}

/** A drive in the books, with the grants that share it. */
export interface DriveEntry {
  readonly drive: string;
  /** Empty when it was only ever reported, and belongs to no grant of ours. */
  readonly group: string;
  readonly members: readonly Member[];
}

export interface ReportVerdict {
  /** Groups of grants whose drive and volume are free again. */
  readonly freeGroups: readonly string[];
  /** Drives that were unknown without a grant, and are free again. */
  readonly freeDrives: readonly string[];
  /** Held by somebody whom we do not know, or away: not to be given out. */
  readonly strangers: readonly DriveSight[];
  /** Groups whose volume is in their drive: those that they had before are free. */
  readonly arrived: readonly { readonly group: string; readonly mediaId: string }[];
  /** Held by another than the one whom we gave it to: for the log. */
  readonly mismatches: readonly { readonly sight: DriveSight; readonly entry: DriveEntry }[];
}

export function judgeReport(
  entries: readonly DriveEntry[],
  sights: readonly DriveSight[],
): ReportVerdict {
  const byDrive = new Map(entries.map((entry) => [entry.drive, entry]));
  const freeGroups: string[] = [];
  const freeDrives: string[] = [];
  const strangers: DriveSight[] = [];
  const arrived: { group: string; mediaId: string }[] = [];
  const mismatches: { sight: DriveSight; entry: DriveEntry }[] = [];
  for (const sight of sights) {
    if (sight.unsure) continue;
    const entry = byDrive.get(sight.drive);
    if (sight.holder === '' && sight.away) {
      if (entry === undefined) strangers.push(sight);
    } else if (sight.holder === '') {
      if (entry === undefined) continue;
      if (entry.group === '') freeDrives.push(sight.drive);
      else if (!entry.members.some(isLive)) freeGroups.push(entry.group);
    } else if (entry === undefined) strangers.push(sight);
    else if (entry.group !== '' && !isOurs(entry, sight.holder)) {
      mismatches.push({ sight, entry });
    } else if (entry.group !== '' && sight.mounted) {
      arrived.push({ group: entry.group, mediaId: sight.mediaId });
    }
  }
  return { freeGroups, freeDrives, strangers, arrived, mismatches };
}

/** The mount stands under the grant that began the group, also when that has ended before the others. */
function isOurs({ group, members }: DriveEntry, holder: string): boolean {
  return group === holder || members.some((each) => each.grantId === holder);
}

/** Whether a host's list of mounts says that these grants' drive is idle: nobody, or somebody else, holds it. */
export function isIdle(
  sights: readonly DriveSight[],
  drive: string,
  grantIds: readonly string[],
): boolean {
  const sight = sights.find((each) => each.drive === drive);
  // A host that answers and does not list the drive has never mounted anything in it.
  if (sight === undefined) return true;
  return !sight.unsure && !grantIds.includes(sight.holder);
}
