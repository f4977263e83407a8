// At which level does the next backup of a path run, and what does it build on? Promises: the base of an incremental
// is a validated, unexpired image of the same policy, and the filer's own memory of dump dates says the same.
//
// A filer that records a dump date itself (UPDATE=y) does so when its dump ends, which may be before we know that the
// image is good. `DumpDate` is our model of that memory: a row is unsure from before the dump starts until its image
// is validated. A base counts only if the filer would choose it too: no unsure date, and no newer one, at its level
// or below.

import type { ScheduleType } from '@tapestry/contracts';

export const LEVEL_MAX = 9;

/** A validated image of the path, whatever its policy. */
export interface ValidImage {
  readonly backupId: string;
  readonly policy: string;
  readonly level: number;
  readonly backupTimeS: bigint;
  readonly expirationS: bigint;
  /** Empty for level 0. */
  readonly baseBackupId: string;
  readonly butype: string;
}

export interface DumpDate {
  readonly level: number;
  readonly backupId: string;
  readonly atS: bigint;
  readonly unsure: boolean;
}

export interface LevelFacts {
  readonly scheduleType: ScheduleType;
  readonly policy: string;
  /** Backup type that the policy sets (SET TYPE=…); empty when it leaves the choice. */
  readonly butype: string;
  readonly images: readonly ValidImage[];
  readonly dumpDates: readonly DumpDate[];
  readonly nowS: bigint;
}

export interface LevelChoice {
  readonly level: number;
  readonly base: ValidImage | undefined;
  /** Why an incremental became a full one; empty otherwise. */
  readonly reason: string;
}

export function chooseLevel(facts: LevelFacts): LevelChoice {
  if (facts.scheduleType === 'SCHEDULE_TYPE_FULL') return { level: 0, base: undefined, reason: '' };
  const newestFirst = [...facts.images].sort((a, b) => (a.backupTimeS < b.backupTimeS ? 1 : -1));
  const levelMax = facts.scheduleType === 'SCHEDULE_TYPE_CINC' ? 0 : LEVEL_MAX - 1;
  let reason = 'no full backup of this path by this policy is valid';
  for (const image of newestFirst) {
    if (image.level > levelMax) continue;
    const why = whyNotBase(facts, image);
    if (why === undefined) return { level: image.level + 1, base: image, reason: '' };
    reason = why;
  }
  return { level: 0, base: undefined, reason };
}

function whyNotBase(facts: LevelFacts, image: ValidImage): string | undefined {
  const { backupId, butype, policy } = image;
  if (policy !== facts.policy) return `the last image is of policy ${policy}`;
  if (facts.butype !== '' && facts.butype !== butype) {
    return `${backupId} is of type ${butype}, the policy wants ${facts.butype}`;
  }
  if (chainOf(image, facts.images, facts.nowS) === undefined) {
    return `${backupId} is expired, or an image that it builds on is`;
  }
  for (const date of facts.dumpDates) {
    if (date.level > image.level || date.backupId === backupId) continue;
    if (date.unsure) return `the filer may remember ${date.backupId}, which was never validated`;
    if (date.atS > image.backupTimeS) return `the filer remembers the newer ${date.backupId}`;
  }
  // Its own date: unsure until it is validated, which a valid image is.
  return undefined;
}

/** The image and what it builds on, the full one first; undefined when one of them is gone or expired. */
export function chainOf<T extends ValidImage>(
  image: T,
  images: readonly T[],
  nowS: bigint,
): T[] | undefined {
  const byId = new Map(images.map((each) => [each.backupId, each]));
  const chain: T[] = [];
  let next: T | undefined = image;
  while (next !== undefined && next.expirationS > nowS && chain.length <= LEVEL_MAX) {
    chain.unshift(next);
    if (next.baseBackupId === '') return chain;
    next = byId.get(next.baseBackupId);
  }
  return undefined;
}
