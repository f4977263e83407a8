// Files on disk storage units that belong to no image. What the catalog itself removed, or saw fail, is deleted; what it
// has never heard of is told, because it may be all that is left of a lost catalog.

import { asStatusError, StatusError } from '@tapestry/status';
import { whatBecameOf } from './adapters/removal-rows.ts';
import type { Notes } from './cleanup-notes.ts';
import type { Units } from './disk-units.ts';
import type { Parts } from './parts.ts';

const DELETED_AT_ONCE = 200;

export async function removeOrphans(
  parts: Parts,
  units: Units,
  notes: Notes,
  signal: AbortSignal,
): Promise<void> {
  for (const [storageUnit, { host }] of units) {
    try {
      await removeFrom(parts, { storageUnit, host }, notes, signal);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const { detail } = asStatusError(error);
      notes.warn(`storage unit ${storageUnit} could not be searched for orphans: ${detail}`);
    }
  }
}

async function removeFrom(
  { bptm, store }: Parts,
  { storageUnit, host }: { readonly storageUnit: string; readonly host: string },
  notes: Notes,
  signal: AbortSignal,
): Promise<void> {
  const client = bptm(host);
  const strangers: string[] = [];
  let deleted = 0;
  for (let afterBackupId = ''; ; ) {
    const page = await client.ListDiskImages({ storageUnit, afterBackupId }, { signal });
    const ids = [...new Set(page.images.map(({ backupId }) => backupId))];
    const { images, gone } = await whatBecameOf(store.db, ids);
    const lost = page.images.filter(({ backupId }) => !images.has(backupId));
    // What an administrator told to leave there is left.
    const dead = lost.filter(({ backupId }) => gone.get(backupId) === false);
    for (let at = 0; at < dead.length; at += DELETED_AT_ONCE) {
      const some = dead.slice(at, at + DELETED_AT_ONCE);
      await client.DeleteDiskImages({ storageUnit, images: some }, { signal });
    }
    deleted += dead.length;
    strangers.push(
      ...lost.filter(({ backupId }) => !gone.has(backupId)).map(({ backupId }) => backupId),
    );
    const last = page.images.at(-1);
    if (!page.more || last === undefined) break;
    afterBackupId = last.backupId;
  }
  if (deleted > 0) notes.info(`leftovers of images deleted from ${storageUnit}: ${deleted}`);
  if (strangers.length > 0) {
    const which = `images that this catalog does not know (${strangers.length}), such as ${strangers[0]}`;
    notes.warn(`${storageUnit} holds ${which}: they are left`);
  }
}
