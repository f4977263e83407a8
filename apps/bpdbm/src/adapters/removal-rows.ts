// The rows of images that expire: found, marked, and taken out for good. Promises that a restore that was planned before
// an image is marked keeps it, and that what was removed leaves its id behind.

import { codec } from '@tapestry/contracts';
import type { Kysely } from 'kysely';
import { basesOf } from '../core/expiry.ts';
import type { Image, Tx } from './image-rows.ts';
import type { ImageDb } from './schema.ts';

export type ExpiredImage = Pick<
  Image,
  'backup_id' | 'client' | 'result' | 'list_sha256' | 'keep_on_disk'
>;

export interface DiskCopy {
  readonly storageUnit: string;
  readonly copy: number;
}

/** Whose expiry has passed, locked, in order of id behind `after`. */
export async function lockExpiring(
  tx: Tx,
  options: { readonly nowS: bigint; readonly storageUnit: string; readonly after: string },
  limit: number,
): Promise<Pick<Image, 'backup_id' | 'expiration_s'>[]> {
  let query = tx
    .selectFrom('images')
    .select(['backup_id', 'expiration_s'])
    .where('state', '=', 'valid')
    .where('expiration_s', '<=', options.nowS)
    .where('backup_id', '>', options.after)
    .orderBy('backup_id')
    .limit(limit)
    .forUpdate();
  if (options.storageUnit !== '') {
    query = query.where('backup_id', 'in', (eb) =>
      eb.selectFrom('image_media').select('backup_id').where('media_id', '=', options.storageUnit),
    );
  }
  return await query.execute();
}

/** Whether anything on this storage unit waits to be removed. */
export async function hasExpired(
  db: Kysely<ImageDb>,
  storageUnit: string,
  nowS: bigint,
): Promise<boolean> {
  const [found] = await db
    .selectFrom('images')
    .innerJoin('image_media', 'image_media.backup_id', 'images.backup_id')
    .select('images.backup_id')
    .where('media_id', '=', storageUnit)
    .where((eb) =>
      eb.or([
        eb('state', '=', 'expired'),
        eb.and([eb('state', '=', 'valid'), eb('expiration_s', '<=', nowS)]),
      ]),
    )
    .limit(1)
    .execute();
  return found !== undefined;
}

/** What restores were planned with that may not be jobs yet. Asked after the images were locked. */
export async function plannedOf(tx: Tx, ids: readonly string[], nowMs: number) {
  const rows = await tx
    .selectFrom('image_reads')
    .select('backup_id')
    .where('backup_id', 'in', ids)
    .where('until_ms', '>', nowMs)
    .execute();
  return new Set(rows.map((row) => row.backup_id));
}

/**
 * Keeps valid images for a restore that was planned with them. @returns those that are not valid any more. A lock on
 * their rows waits for a cleanup that is marking them, and it for this.
 */
export async function keepForRestore(tx: Tx, ids: readonly string[], untilMs: number) {
  const rows = await tx
    .selectFrom('images')
    .select('backup_id')
    .where('backup_id', 'in', ids)
    .where('state', '=', 'valid')
    .orderBy('backup_id')
    .forShare()
    .execute();
  const there = new Set(rows.map((row) => row.backup_id));
  if (there.size > 0) {
    await tx
      .insertInto('image_reads')
      .values([...there].map((backup_id) => ({ backup_id, until_ms: untilMs })))
      .onConflict((conflict) => conflict.column('backup_id').doUpdateSet({ until_ms: untilMs }))
      .execute();
  }
  return ids.filter((id) => !there.has(id));
}

/** Everything that provisional images build on. */
export async function basesInUse(db: Kysely<ImageDb>): Promise<ReadonlySet<string>> {
  const open = await db
    .selectFrom('images')
    .select('base_backup_id')
    .where('state', '=', 'provisional')
    .where('base_backup_id', '<>', '')
    .execute();
  const links = new Map<string, string>();
  const starts = open.map((row) => row.base_backup_id);
  for (let asked = starts; asked.length > 0; ) {
    const rows = await db
      .selectFrom('images')
      .select(['backup_id', 'base_backup_id'])
      .where('backup_id', 'in', asked)
      .execute();
    for (const row of rows) links.set(row.backup_id, row.base_backup_id);
    asked = rows.map((row) => row.base_backup_id).filter((id) => id !== '' && !links.has(id));
  }
  return basesOf(starts, links);
}

export async function markExpired(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.updateTable('images').set({ state: 'expired' }).where('backup_id', 'in', ids).execute();
}

export async function readExpired(
  db: Kysely<ImageDb>,
  after: string,
  limit: number,
): Promise<ExpiredImage[]> {
  return await db
    .selectFrom('images')
    .select(['backup_id', 'client', 'result', 'list_sha256', 'keep_on_disk'])
    .where('state', '=', 'expired')
    .where('backup_id', '>', after)
    .orderBy('backup_id')
    .limit(limit)
    .execute();
}

/** What of an image lies on disk storage units. */
export function diskCopies({ result }: Pick<Image, 'result'>): DiskCopy[] {
  if (result === null) return [];
  const copies = new Map<string, DiskCopy>();
  for (const { layout, mediaId, copy } of codec('ImageResult').decode(result).fragments) {
    if (layout !== 'FRAGMENT_LAYOUT_DISK') continue;
    copies.set(`${mediaId}/${copy}`, { storageUnit: mediaId, copy });
  }
  return [...copies.values()];
}

/** The last step of a removal. @returns the volumes and disk storage units that have less on them now */
export async function deleteImages(
  tx: Tx,
  images: readonly Pick<Image, 'backup_id' | 'keep_on_disk'>[],
  atS: bigint,
): Promise<string[]> {
  if (images.length === 0) return [];
  const ids = images.map((image) => image.backup_id);
  const media = await tx
    .selectFrom('image_media')
    .select('media_id')
    .distinct()
    .where('backup_id', 'in', ids)
    .execute();
  await noteGone(
    tx,
    images.map(({ backup_id, keep_on_disk }) => ({ backup_id, kept: keep_on_disk })),
    { wasValid: true, atS },
  );
  await tx.deleteFrom('images').where('backup_id', 'in', ids).execute();
  return media.map((row) => row.media_id);
}

export async function noteGone(
  tx: Tx,
  images: readonly { readonly backup_id: string; readonly kept: boolean }[],
  { wasValid, atS }: { readonly wasValid: boolean; readonly atS: bigint },
): Promise<void> {
  await tx
    .insertInto('images_gone')
    .values(
      images.map(({ backup_id, kept }) => ({
        ...{ backup_id, was_valid: wasValid, kept_on_disk: kept, at_s: atS },
      })),
    )
    .onConflict((conflict) =>
      conflict.column('backup_id').doUpdateSet((eb) => ({
        was_valid: eb.ref('excluded.was_valid'),
        kept_on_disk: eb.ref('excluded.kept_on_disk'),
        at_s: eb.ref('excluded.at_s'),
      })),
    )
    .execute();
}

/** True when the image was valid, and was removed since. */
export async function wasRemoved(tx: Tx, backupId: string): Promise<boolean> {
  const [row] = await tx
    .selectFrom('images_gone')
    .select('was_valid')
    .where('backup_id', '=', backupId)
    .execute();
  return row?.was_valid === true;
}

/** What the catalog knows of these ids. */
export async function whatBecameOf(db: Kysely<ImageDb>, ids: readonly string[]) {
  if (ids.length === 0) return { images: new Set<string>(), gone: new Map<string, boolean>() };
  // Gone first: what is neither there nor gone afterwards was never both.
  const gone = await db
    .selectFrom('images_gone')
    .select(['backup_id', 'kept_on_disk'])
    .where('backup_id', 'in', ids)
    .execute();
  const images = await db
    .selectFrom('images')
    .select('backup_id')
    .where('backup_id', 'in', ids)
    .execute();
  return {
    images: new Set(images.map((row) => row.backup_id)),
    gone: new Map(gone.map((row) => [row.backup_id, row.kept_on_disk])),
  };
}

/** Of these volumes, or of all, those with a part of an image. */
export async function usedMedia(db: Kysely<ImageDb>, mediaIds?: readonly string[]) {
  if (mediaIds?.length === 0) return new Set<string>();
  let query = db.selectFrom('image_media').select('media_id').distinct();
  if (mediaIds !== undefined) query = query.where('media_id', 'in', mediaIds);
  return new Set((await query.execute()).map((row) => row.media_id));
}
