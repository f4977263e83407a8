// The row of a volume while it is changed, and the images that lie on it.

import { StatusError } from '@tapestry/status';
import type { Selectable, Transaction } from 'kysely';
import type { EmmDb, VolumesTable } from './schema.ts';

type Tx = Transaction<EmmDb>;

/** Nothing closed on it since it was assigned. */
export const NO_CONTENTS = {
  ...{ append: null, append_block: 0n, images: 0, valid_images: 0, last_backup_id: '' },
  ...{ written_bytes: 0n, data_expiration_s: 0n },
} as const;

/** The row, which nobody else changes until the transaction ends. Error: 2031. */
export async function lockVolume(tx: Tx, mediaId: string): Promise<Selectable<VolumesTable>> {
  const row = await tx
    .selectFrom('volumes')
    .selectAll()
    .where('media_id', '=', mediaId)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) {
    const why = `the volume ${mediaId} is not in the EMM database`;
    throw new StatusError('mediaNotDefined', why, { mediaId });
  }
  return row;
}

/** Part of the image lies on the volume. @returns how many images do */
export async function noteImage(tx: Tx, mediaId: string, backupId: string): Promise<number> {
  const added = await tx
    .insertInto('volume_images')
    .values({ media_id: mediaId, backup_id: backupId })
    .onConflict((conflict) => conflict.doNothing())
    .returning('media_id')
    .execute();
  // Who found the volume empty before this must find that it has changed.
  if (added.length > 0) {
    await tx
      .updateTable('volumes')
      .set((eb) => ({ version: eb('version', '+', 1n) }))
      .where('media_id', '=', mediaId)
      .execute();
  }
  const { count } = await tx
    .selectFrom('volume_images')
    .select((eb) => eb.fn.countAll<bigint>().as('count'))
    .where('media_id', '=', mediaId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function forgetImages(tx: Tx, mediaId: string): Promise<void> {
  await tx.deleteFrom('volume_images').where('media_id', '=', mediaId).execute();
}
