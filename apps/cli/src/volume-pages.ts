// All volumes that match, however many: nbemm answers a page at a time.

import type { Client } from '@tapestry/bus';
import type { Init, ListVolumesRequest, VolumeRow } from '@tapestry/contracts';

export async function allVolumes(
  nbemm: Pick<Client<'nbemm'>, 'ListVolumes'>,
  filter: Init<ListVolumesRequest>,
): Promise<readonly VolumeRow[]> {
  const rows: VolumeRow[] = [];
  for (;;) {
    const afterMediaId = rows.at(-1)?.volume?.mediaId;
    const { volumes, more } = await nbemm.ListVolumes({ ...filter, afterMediaId });
    rows.push(...volumes);
    if (!more || volumes.length === 0) return rows;
  }
}
