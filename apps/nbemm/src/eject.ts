// The handler that lets volumes leave their robots. Promises that none leaves that a grant holds, and that what the robot did
// is on record.

import type { Handlers } from '@tapestry/bus';
import type { EjectMediaRequest, Init, MovedMedium } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkedMediaId } from './core/checks.ts';
import { edit, type Parts } from './parts.ts';
import { requireIdleVolumes } from './record-uses.ts';
import { requireRobot } from './required-records.ts';

/** As many as ltid moves in one call. */
const EJECTED_MAX = 100;

interface Leaving {
  readonly media_id: string;
  readonly barcode: string;
  readonly robot_number: number;
  readonly slot: number;
  readonly mounted_drive: string;
}

export function ejectHandlers(parts: Parts): Pick<Handlers<'nbemm'>, 'EjectMedia'> {
  return { EjectMedia: (request) => eject(parts, request) };
}

async function eject(parts: Parts, { mediaIds }: EjectMediaRequest) {
  const ids = [...new Set(mediaIds.map(checkedMediaId))];
  if (ids.length === 0 || ids.length > EJECTED_MAX) {
    throw new StatusError('invalidEntry', `name 1 to ${EJECTED_MAX} volumes`);
  }
  const rows = await leavingRows(parts, ids);
  await requireIdleVolumes(parts, new Set(ids));
  const moved = new Map<string, Init<MovedMedium>>();
  for (const [robotNumber, volumes] of Map.groupBy(rows, (row) => row.robot_number)) {
    const { control_host } = await requireRobot(parts.store.db, robotNumber);
    const barcodes = volumes.map(({ barcode, media_id }) => barcode || media_id);
    const { media } = await parts.ltid(control_host).EjectVolumes({ robotNumber, barcodes });
    // In the order of asking.
    for (const [at, each] of media.entries()) moved.set(volumes[at]?.media_id ?? '', each);
  }
  const gone = ids.filter((id) => moved.has(id) && !moved.get(id)?.failure);
  if (gone.length > 0) await recordOutside(parts, gone);
  return { media: ids.map((mediaId) => ({ mediaId, moved: moved.get(mediaId) })) };
}

/** Errors: 2031, 2033. */
async function leavingRows(parts: Parts, ids: readonly string[]): Promise<Leaving[]> {
  const rows = await parts.store.db
    .selectFrom('volumes')
    .select(['media_id', 'barcode', 'robot_number', 'slot', 'mounted_drive'])
    .where('media_id', 'in', [...ids])
    .execute();
  return ids.map((mediaId) => {
    const row = rows.find(({ media_id }) => media_id === mediaId);
    if (row === undefined) {
      const why = `the volume ${mediaId} is not in the EMM database`;
      throw new StatusError('mediaNotDefined', why, { mediaId });
    }
    if (row.slot === 0 && row.mounted_drive === '') {
      throw new StatusError('mediaMisplaced', `the volume ${mediaId} is in no robot`, { mediaId });
    }
    return row;
  });
}

async function recordOutside(parts: Parts, mediaIds: readonly string[]): Promise<void> {
  await edit(parts, `volumes ${mediaIds.join(', ')}`, (tx) =>
    tx
      .updateTable('volumes')
      .set((eb) => ({
        ...{ slot: 0, robot_number: 0, mounted_drive: '', volume_group: '' },
        version: eb('version', '+', 1n),
      }))
      .where('media_id', 'in', [...mediaIds])
      .execute(),
  );
}
