// What nbemm shows of a volume's contents: how many images are valid and when the last expires. Told after each change
// until it is answered, and counted when it is told, so that the order of the news does not matter.

import { randomUUID } from 'node:crypto';
import type { Tx } from './adapters/image-rows.ts';
import type { Parts } from './parts.ts';

export async function tellContents(
  { effects }: Parts,
  tx: Tx,
  mediaIds: readonly string[],
): Promise<void> {
  for (const mediaId of mediaIds) {
    const key = `media/${mediaId}/contents/${randomUUID()}`;
    await effects.enqueue(tx, {
      ...{ kind: 'mediaContents', key, lane: `media/${mediaId}` },
      payload: { mediaId },
    });
  }
}

/** The effect. */
export async function recordContents(
  { store, nbemm }: Pick<Parts, 'store' | 'nbemm'>,
  mediaId: string,
  signal: AbortSignal,
): Promise<void> {
  const { images, expiration } = await store.db
    .selectFrom('images')
    .innerJoin('image_media', 'image_media.backup_id', 'images.backup_id')
    .select((eb) => [
      eb.fn.countAll<bigint>().as('images'),
      eb.fn.max<bigint | null>('expiration_s').as('expiration'),
    ])
    .where('media_id', '=', mediaId)
    .where('state', '=', 'valid')
    .executeTakeFirstOrThrow();
  const told = { mediaId, validImages: Number(images), expirationS: BigInt(expiration ?? 0n) };
  await nbemm.RecordContents(told, { signal });
}
