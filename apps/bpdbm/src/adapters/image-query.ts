// Reading the image database: lists for people, and the images that a browse or a restore builds on.

import type { FileListRef } from '@tapestry/catalog';
import type { ListImagesRequest } from '@tapestry/contracts';
import type { Kysely } from 'kysely';
import type { CatalogImage } from '../core/chains.ts';
import type { FileStore } from './file-store.ts';
import { CATALOG_COLUMNS, catalogImage, type Image } from './image-rows.ts';
import type { ImageDb } from './schema.ts';

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 5_000;
/** The bus carries 8 MB at most. */
const REPLY_BYTES_MAX = 4_000_000;
/** About what a row takes beside its result. */
const ROW_BYTES = 600;

/** Newest first. Expired images are not listed: nobody may count on them. */
export async function listImages(
  db: Kysely<ImageDb>,
  request: ListImagesRequest,
  nowS: bigint,
): Promise<{ images: Image[]; more: boolean }> {
  const limit = Math.min(request.limit || LIMIT_DEFAULT, LIMIT_MAX);
  let query = db
    .selectFrom('images')
    .selectAll()
    .where((eb) => eb.or([eb('state', '=', 'provisional'), eb('expiration_s', '>', nowS)]))
    .orderBy('backup_time_s', 'desc')
    .orderBy('backup_id')
    .limit(limit + 1);
  for (const [column, value] of [
    ['backup_id', request.backupId],
    ['client', request.client],
    ['policy', request.policy],
    ['schedule', request.schedule],
    ['path', request.path],
  ] as const) {
    if (value !== '') query = query.where(column, '=', value);
  }
  if (request.startS > 0n) query = query.where('backup_time_s', '>=', request.startS);
  if (request.endS > 0n) query = query.where('backup_time_s', '<=', request.endS);
  if (!request.provisionalToo) query = query.where('state', '=', 'valid');
  if (request.mediaId !== '') {
    query = query.where('backup_id', 'in', (eb) =>
      eb.selectFrom('image_media').select('backup_id').where('media_id', '=', request.mediaId),
    );
  }
  return pageOf(await query.execute(), limit);
}

/**
 * As many images as fit into one answer. A page that is not the last one ends with a whole second, so that the next
 * one is asked for by time and misses nothing.
 */
export function pageOf(found: readonly Image[], limit: number): { images: Image[]; more: boolean } {
  let sizeBytes = 0;
  const fitting = found.findIndex((image) => {
    sizeBytes += ROW_BYTES + (image.result?.length ?? 0);
    return sizeBytes > REPLY_BYTES_MAX;
  });
  // One image alone is sent however large it is.
  const end = Math.min(limit, fitting < 0 ? found.length : Math.max(1, fitting));
  const next = found[end];
  if (next === undefined) return { images: [...found], more: false };
  const whole = found.slice(0, end).filter((image) => image.backup_time_s > next.backup_time_s);
  return { images: whole.length > 0 ? whole : found.slice(0, end), more: true };
}

/** An image and where its file list lies. */
export interface ListedImage extends CatalogImage {
  readonly list: FileListRef;
}

/** Every valid image of a client, for chains to be made from. */
export async function listedImages(
  db: Kysely<ImageDb>,
  files: FileStore,
  filter: { readonly client: string; readonly policy: string },
): Promise<ListedImage[]> {
  let query = db
    .selectFrom('images')
    .select([...CATALOG_COLUMNS, 'list_sha256'])
    .where('client', '=', filter.client)
    .where('state', '=', 'valid');
  if (filter.policy !== '') query = query.where('policy', '=', filter.policy);
  const rows = await query.execute();
  return rows.map((row) => {
    const sha256 = row.list_sha256!.toString('hex');
    const file = files.pathOf({ client: filter.client, backupId: row.backup_id, sha256 });
    return { ...catalogImage(row), list: { id: row.backup_id, file } };
  });
}
