// What may go: which expired images are removed, and which volumes are given back. Promises that an image that a restore
// reads, or that a running backup builds on, stays until that is over, and that a volume goes back only when the catalog
// itself saw the end of every image on it. What the catalog has never heard of is no proof that nobody needs it.

export interface ExpiringImage {
  readonly backupId: string;
  readonly expirationS: bigint;
}

export interface Uses {
  /** Named by restore jobs that are not done. */
  readonly read: ReadonlySet<string>;
  /** Planned for a restore whose job may not be known yet. */
  readonly planned: ReadonlySet<string>;
  /** What a running backup builds on. */
  readonly bases: ReadonlySet<string>;
  readonly nowS: bigint;
}

/** Why an expired image is not removed now; undefined: it goes. */
export function keepsImage({ backupId, expirationS }: ExpiringImage, uses: Uses) {
  if (expirationS > uses.nowS) return 'it has not expired';
  if (uses.read.has(backupId)) return 'a restore reads it';
  if (uses.planned.has(backupId)) return 'a restore was just asked for that needs it';
  if (uses.bases.has(backupId)) return 'a running backup builds on it';
  return undefined;
}

export interface BaseLink {
  readonly backupId: string;
  /** Empty for level 0. */
  readonly baseBackupId: string;
}

/** Everything that these images build on, directly or not. */
export function basesOf(
  starts: readonly string[],
  links: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const bases = new Set<string>();
  for (const start of starts) {
    for (let next = start; next !== '' && !bases.has(next); next = links.get(next) ?? '') {
      bases.add(next);
    }
  }
  return bases;
}

export interface WrittenVolume {
  readonly mediaId: string;
  readonly assigned: boolean;
  /** Every image of which something was closed on it, as nbemm knows. */
  readonly backupIds: readonly string[];
}

export interface CatalogFacts {
  /** Volumes with a part of an image that is valid, or whose removal is not over. */
  readonly used: ReadonlySet<string>;
  /** Images that the catalog has, whatever their state. */
  readonly images: ReadonlySet<string>;
  /** Images that it removed, or whose attempt came to nothing. */
  readonly gone: ReadonlySet<string>;
}

/**
 * Why a volume is not given back; undefined: it is. An operator may vouch for what the catalog does not know
 * (`vouched`), never for what it has.
 */
export function keepsVolume(
  { mediaId, assigned, backupIds }: WrittenVolume,
  { used, images, gone }: CatalogFacts,
  vouched: boolean,
): string | undefined {
  if (!assigned) return 'it is not assigned';
  if (used.has(mediaId)) return 'the catalog has images on it';
  const needed = backupIds.find((id) => images.has(id));
  if (needed !== undefined) return `image ${needed} on it is not finished`;
  const unknown = backupIds.find((id) => !gone.has(id));
  if (unknown === undefined || vouched) return undefined;
  return `it holds ${unknown}, which this catalog does not know: bpexpdate -deassignempty frees it`;
}
