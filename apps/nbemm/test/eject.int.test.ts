// Volumes leave their robot: never under a grant, and what the robot did is on record.

import { expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

test('volumes leave by the import/export slots, and those that a grant holds stay', async () => {
  for (const n of [1, 2, 3]) {
    await world.cli.AddVolume({
      volume: { mediaId: `E0000${n}`, barcode: `E0000${n}L8`, robotNumber: 0, slot: n },
      ...{ mediaType: 'HCART', pool: 'NetBackup' },
    });
  }
  const volume = { mediaId: 'E00003' };
  const attempt = { jobId: 7n, try: 1, step: 0 };
  world.nbrb.answer({ Dump: async () => ({ grants: [{ grant: { attempt, volume } }] }) });
  const asked: string[][] = [];
  world.ltid.answer({
    EjectVolumes: async ({ barcodes }) => {
      asked.push([...barcodes]);
      const failure = { code: 164, name: 'notMountable', detail: 'no free import/export slot' };
      const to = { type: 'import_export', number: 1 };
      return {
        media: barcodes.map((barcode, n) => ({ barcode, ...(n === 0 ? { to } : { failure }) })),
      };
    },
  });
  const held = world.cli.EjectMedia({ mediaIds: ['E00001', 'E00003'] });
  await expect(held).rejects.toMatchObject({ status: 'mediaInUse' });
  expect(asked).toEqual([]);
  const { media } = await world.cli.EjectMedia({ mediaIds: ['E00001', 'E00002'] });
  expect(asked).toEqual([['E00001L8', 'E00002L8']]);
  expect(media).toMatchObject([
    { mediaId: 'E00001', moved: { to: { number: 1 } } },
    { mediaId: 'E00002', moved: { failure: { code: 164 } } },
  ]);
  const slotOf = async (mediaId: string) =>
    (await world.cli.ListVolumes({ mediaId })).volumes[0]?.volume?.slot;
  expect([await slotOf('E00001'), await slotOf('E00002')]).toEqual([0, 2]);
  const gone = world.cli.EjectMedia({ mediaIds: ['E00001'] });
  await expect(gone).rejects.toMatchObject({ status: 'mediaMisplaced' });
  const none = world.cli.EjectMedia({ mediaIds: ['E00009'] });
  await expect(none).rejects.toMatchObject({ status: 'mediaNotDefined' });
});
