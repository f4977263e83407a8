// One cleanup: marks what has expired, removes it for good, gives back the volumes that have nothing on them any more,
// and looks for files on disk storage units that belong to nobody. Each step may be repeated, and what a crash leaves
// between two of them the next cleanup finishes: an image is taken out of the catalog only after its files are gone.

import { asStatusError, StatusError } from '@tapestry/status';
import {
  basesInUse,
  deleteImages,
  diskCopies,
  type ExpiredImage,
  lockExpiring,
  markExpired,
  plannedOf,
  readExpired,
} from './adapters/removal-rows.ts';
import { listed, Notes } from './cleanup-notes.ts';
import { removeOrphans } from './cleanup-orphans.ts';
import { returnEmptyVolumes } from './cleanup-volumes.ts';
import { tellContents } from './contents.ts';
import { keepsImage } from './core/expiry.ts';
import { diskUnits, type Units } from './disk-units.ts';
import { nowS, type Parts } from './parts.ts';

export interface CleanupFacts {
  readonly jobId: bigint;
  /** Only what is on it; empty for everything. */
  readonly storageUnit: string;
  readonly signal: AbortSignal;
}

export interface CleanupOutcome {
  readonly removed: number;
  /** What could not be done, for the status of the job. */
  readonly problems: readonly string[];
}

const BATCH = 100;
const KEPT_TOLD_MAX = 20;

/** Errors: those of nbjm and nbemm, when they cannot be asked. */
export async function cleanUp(parts: Parts, facts: CleanupFacts): Promise<CleanupOutcome> {
  const notes = new Notes(parts, facts.jobId);
  const marked = await markAll(parts, facts, notes);
  if (marked > 0) notes.info(`images that have expired: ${marked}`);
  const units = await diskUnits(parts);
  const removed = await removeAll(parts, facts, units, notes);
  if (removed > 0) notes.info(`images removed from the catalog: ${removed}`);
  if (facts.storageUnit === '') {
    const { returned, kept, problems } = await returnEmptyVolumes(parts, { signal: facts.signal });
    for (const { mediaId, reason } of kept.slice(0, KEPT_TOLD_MAX)) {
      notes.info(`volume ${mediaId} has no images and stays: ${reason}`);
    }
    if (returned.length > 0) notes.info(`volumes given back: ${listed(returned)}`);
    for (const problem of problems) notes.problem(problem);
    await removeOrphans(parts, units, notes, facts.signal);
  }
  return { removed, problems: notes.problems };
}

/** @returns how many it marked */
async function markAll(parts: Parts, facts: CleanupFacts, notes: Notes): Promise<number> {
  const { backupIds } = await parts.nbjm.ListImagesRead({}, { signal: facts.signal });
  const bases = await basesInUse(parts.store.db);
  const read = new Set(backupIds);
  let marked = 0;
  for (let after = ''; ; ) {
    const found = await parts.store.transaction(async (tx) => {
      const now = nowS(parts);
      const choice = { nowS: now, storageUnit: facts.storageUnit, after };
      const rows = await lockExpiring(tx, choice, BATCH);
      if (rows.length === 0) return rows;
      const ids = rows.map((row) => row.backup_id);
      const uses = { read, bases, planned: await plannedOf(tx, ids, parts.nowMs()), nowS: now };
      const goes = rows.filter((row) => {
        const image = { backupId: row.backup_id, expirationS: row.expiration_s };
        const why = keepsImage(image, uses);
        if (why !== undefined) notes.info(`${row.backup_id} stays for now: ${why}`);
        return why === undefined;
      });
      await markExpired(
        tx,
        goes.map((row) => row.backup_id),
      );
      marked += goes.length;
      return rows;
    });
    const last = found.at(-1);
    if (last === undefined) return marked;
    after = last.backup_id;
    facts.signal.throwIfAborted();
  }
}

/** @returns how many it removed */
async function removeAll(
  parts: Parts,
  facts: CleanupFacts,
  units: Units,
  notes: Notes,
): Promise<number> {
  let removed = 0;
  for (let after = ''; ; ) {
    const images = await readExpired(parts.store.db, after, BATCH);
    const last = images.at(-1);
    if (last === undefined) return removed;
    after = last.backup_id;
    const gone = await removeFromDisk(parts, images, { units, notes, signal: facts.signal });
    for (const image of gone) await removeList(parts, image);
    await parts.store.transaction(async (tx) => {
      await tellContents(parts, tx, await deleteImages(tx, gone, nowS(parts)));
    });
    removed += gone.length;
    facts.signal.throwIfAborted();
  }
}

async function removeList(
  { files }: Parts,
  { client, backup_id, list_sha256 }: ExpiredImage,
): Promise<void> {
  if (list_sha256 === null) return;
  await files.remove({ client, backupId: backup_id, sha256: list_sha256.toString('hex') });
}

interface DiskFacts {
  readonly units: Units;
  readonly notes: Notes;
  readonly signal: AbortSignal;
}

/** @returns the images of which nothing lies on a disk any more */
async function removeFromDisk(
  parts: Parts,
  images: readonly ExpiredImage[],
  { units, notes, signal }: DiskFacts,
): Promise<ExpiredImage[]> {
  const byUnit = new Map<string, { backupId: string; copy: number }[]>();
  for (const image of images) {
    if (image.keep_on_disk) continue;
    for (const { storageUnit, copy } of diskCopies(image)) {
      const unit = byUnit.get(storageUnit) ?? [];
      byUnit.set(storageUnit, unit);
      unit.push({ backupId: image.backup_id, copy });
    }
  }
  const stay = new Set<string>();
  for (const [storageUnit, copies] of byUnit) {
    const unit = units.get(storageUnit);
    if (unit === undefined) {
      const rest = `what lies there is left, images: ${copies.length}`;
      notes.warn(`the storage unit ${storageUnit} is not in the EMM database: ${rest}`);
      continue;
    }
    try {
      const request = { storageUnit, images: copies };
      await parts.bptm(unit.host).DeleteDiskImages(request, { signal });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      for (const { backupId } of copies) stay.add(backupId);
      const { detail } = asStatusError(error);
      notes.problem(`images on ${storageUnit} stay until the next cleanup: ${detail}`);
    }
  }
  return images.filter((image) => !stay.has(image.backup_id));
}
