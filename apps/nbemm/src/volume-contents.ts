// Which images are on a volume, and the end of its assignment when none is left. Promises that a volume is unassigned only
// as it was when nothing on it was needed, that a frozen one stays what it is, and that what a writer of the past tells
// late never reaches the next use of the volume.

import type { Handlers } from '@tapestry/bus';
import type {
  DeassignVolumeRequest,
  ListVolumeImagesRequest,
  RecordContentsRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Selectable } from 'kysely';
import type { VolumesTable } from './adapters/schema.ts';
import { forgetImages, lockVolume, NO_CONTENTS } from './adapters/volume-rows.ts';
import { MEDIA_BIT } from './core/inventory.ts';
import { change, type Parts, type Tx } from './parts.ts';
import { readsYes } from './settings.ts';

type ContentsHandlers = Pick<
  Handlers<'nbemm'>,
  'DeassignVolume' | 'ListVolumeImages' | 'RecordContents'
>;

const LISTED_MAX = 200;

export function contentsHandlers(parts: Parts): ContentsHandlers {
  return {
    DeassignVolume: (request) => deassignVolume(parts, request),
    ListVolumeImages: (request) => listVolumeImages(parts, request),
    RecordContents: (request) => recordContents(parts, request),
  };
}

async function deassignVolume(parts: Parts, { mediaId, volumeVersion }: DeassignVolumeRequest) {
  await change(parts, `volume ${mediaId}`, async (tx) => {
    const row = await lockVolume(tx, mediaId);
    if (row.assigned_ms === 0) return;
    requireReturnable(row, volumeVersion);
    const pool = await poolAfter(tx, row);
    await forgetImages(tx, mediaId);
    await tx
      .updateTable('volumes')
      .set((eb) => ({
        ...NO_CONTENTS,
        ...{ assigned_ms: 0, assigned_grant: '', owner: '', retention_level: 0, status_bits: 0 },
        ...(pool === row.pool ? {} : { pool, previous_pool: row.pool }),
        // A fragment of the last grant that is told late is of the past.
        append_epoch: row.append_epoch + 1n,
        version: eb('version', '+', 1n),
      }))
      .where('media_id', '=', mediaId)
      .execute();
    parts.log.info({ mediaId, pool }, 'a volume without images is free again');
  });
  return {};
}

/** Errors: 224. */
function requireReturnable(row: Selectable<VolumesTable>, version: bigint): void {
  const mediaId = row.media_id;
  if ((row.status_bits & MEDIA_BIT.frozen) !== 0) {
    const why = `volume ${mediaId} is frozen: it stays assigned until it is unfrozen`;
    throw new StatusError('conflict', why, { mediaId });
  }
  if (row.version !== version) {
    const why = `volume ${mediaId} has changed since it was found empty`;
    throw new StatusError('conflict', why, { mediaId });
  }
}

/** The scratch pool that it was taken from, unless the site wants volumes to stay where they were used. */
async function poolAfter(tx: Tx, row: Selectable<VolumesTable>): Promise<string> {
  const from = await tx
    .selectFrom('pools')
    .select('scratch')
    .where('name', '=', row.previous_pool)
    .executeTakeFirst();
  if (from?.scratch !== true) return row.pool;
  return (await readsYes(tx, 'RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL'))
    ? row.previous_pool
    : row.pool;
}

/** Rows and images as of one moment: a version never comes with the images of another. */
async function listVolumeImages({ store }: Parts, { mediaIds }: ListVolumeImagesRequest) {
  if (mediaIds.length > LISTED_MAX) {
    throw new StatusError('invalidParameter', `at most ${LISTED_MAX} volumes at once`);
  }
  if (mediaIds.length === 0) return { volumes: [] };
  const rows = await store.db
    .selectFrom('volumes')
    .leftJoin('volume_images', 'volume_images.media_id', 'volumes.media_id')
    .select(['volumes.media_id', 'version', 'assigned_ms', 'backup_id'])
    .where('volumes.media_id', 'in', mediaIds)
    .execute();
  return {
    volumes: [...Map.groupBy(rows, (row) => row.media_id)].map(([mediaId, own]) => ({
      ...{ mediaId, version: own[0]!.version, assignedMs: BigInt(own[0]!.assigned_ms) },
      backupIds: own.flatMap(({ backup_id }) => backup_id ?? []),
    })),
  };
}

/** Not a change of what the volume may be used for: its version stays. A disk storage unit has no such row. */
async function recordContents(parts: Parts, request: RecordContentsRequest) {
  const { mediaId, validImages, expirationS } = request;
  const [row] = await parts.store.db
    .selectFrom('volumes')
    .select(['valid_images', 'data_expiration_s'])
    .where('media_id', '=', mediaId)
    .execute();
  if (row === undefined) return {};
  if (row.valid_images === validImages && row.data_expiration_s === expirationS) return {};
  await change(parts, `volume ${mediaId}`, (tx) =>
    tx
      .updateTable('volumes')
      .set({ valid_images: validImages, data_expiration_s: expirationS })
      .where('media_id', '=', mediaId)
      .where('assigned_ms', '>', 0)
      .execute(),
  );
  return {};
}
