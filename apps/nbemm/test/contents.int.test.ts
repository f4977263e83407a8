import { eventually } from '@tapestry/testkit';
import { beforeAll, expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

beforeAll(async () => {
  await world.cli.AddPool({ name: 'Spare', scratch: true });
});

let slots = 60;

/** A volume of the scratch pool, taken for pool NetBackup under a grant, with fragments of these images. */
async function written(mediaId: string, epoch: bigint, backupIds: readonly string[]) {
  slots += 1;
  const volume = { mediaId, density: 'hcart', pool: 'Spare', robotNumber: 0, slot: slots };
  await world.cli.AddVolume({ volume });
  await assign(mediaId, epoch);
  for (const [i, backupId] of backupIds.entries()) await record(mediaId, epoch, i + 2, backupId);
  return await row(mediaId);
}

async function assign(mediaId: string, epoch: bigint): Promise<void> {
  const { version } = await row(mediaId);
  await world.asNbrb.AssignVolume({
    ...{ grantId: `grant-${epoch}`, mediaId, volumeVersion: version, pool: 'NetBackup' },
    ...{ retentionLevel: 1, mediaServer: 'media1' },
  });
}

async function record(mediaId: string, epoch: bigint, fileNumber: number, backupId: string) {
  const grantId = `grant-${epoch}`;
  await world.asBptm.RecordFragment({
    grant: { attempt: { jobId: epoch, try: 1, step: 0 }, grantId, epoch },
    ...{ mediaId, writtenBytes: 10n, atMs: 5n, backupId, expirationS: 99n },
    append: { fileNumber, blockNumber: BigInt(fileNumber * 10), fragment: backupId },
  });
}

async function row(mediaId: string) {
  const { volumes } = await world.cli.ListVolumes({ mediaId });
  return volumes[0]!;
}

const asBpdbm = async () => (await world.bus.as({ service: 'bpdbm' })).client('nbemm');

test('a volume whose images are gone returns to the scratch pool that it came from', async () => {
  const before = await written('C00001', 100n, ['a_1', 'b_1', 'a_1']);
  expect(before).toMatchObject({ images: 2, volume: { pool: 'NetBackup' } });
  await world.cli.SetVolumeStatus({ mediaId: 'C00001', action: 'suspend' });
  const bpdbm = await asBpdbm();
  const { volumes } = await bpdbm.ListVolumeImages({ mediaIds: ['C00001', 'NONE01'] });
  expect(volumes).toHaveLength(1);
  expect([...volumes[0]!.backupIds].sort()).toEqual(['a_1', 'b_1']);
  const { version } = volumes[0]!;

  const stale = { mediaId: 'C00001', volumeVersion: version - 1n };
  await expect(world.asNbrb.DeassignVolume(stale)).rejects.toThrow(/224.*changed/);
  await world.asNbrb.DeassignVolume({ mediaId: 'C00001', volumeVersion: version });
  await world.asNbrb.DeassignVolume({ mediaId: 'C00001', volumeVersion: version });
  const free = await row('C00001');
  expect(free).toMatchObject({ images: 0, statusBits: 0, owner: '', dataExpirationS: 0n });
  expect(free.volume).toMatchObject({ pool: 'Spare', assignedMs: 0n, retentionLevel: 0 });
  expect(free.volume?.append?.fileNumber).toBe(0);

  // What the last writer tells late does not reach the next use of the volume.
  await assign('C00001', 101n);
  await expect(record('C00001', 100n, 4, 'a_1')).rejects.toThrow(/902/);
  const again = await row('C00001');
  expect(again.volume?.append?.fileNumber).toBe(0);
  expect(again.volume!.assignedMs).toBeGreaterThan(before.volume!.assignedMs);
});

test('a frozen volume stays assigned; where the site says so, a free one keeps its pool', async () => {
  await written('C00002', 110n, ['c_1']);
  await world.cli.SetVolumeStatus({ mediaId: 'C00002', action: 'freeze' });
  const frozen = { mediaId: 'C00002', volumeVersion: (await row('C00002')).version };
  await expect(world.asNbrb.DeassignVolume(frozen)).rejects.toThrow(/224.*frozen/);
  await world.cli.SetVolumeStatus({ mediaId: 'C00002', action: 'unfreeze' });
  const name = 'RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL';
  await world.cli.ChangeSetting({ name, value: 'no' });
  const { version } = await row('C00002');
  await world.asNbrb.DeassignVolume({ mediaId: 'C00002', volumeVersion: version });
  expect((await row('C00002')).volume).toMatchObject({ pool: 'NetBackup', assignedMs: 0n });
  expect((await world.cli.ListSettings({ name })).settings[0]?.value).toBe('no');
  await expect(world.cli.ChangeSetting({ name, value: 'maybe' })).rejects.toThrow(/yes or no/);
  await world.cli.ChangeSetting({ name, value: 'YES' });
});

test('the catalog tells what of a volume is valid, which changes nothing else', async () => {
  const { version } = await written('C00003', 120n, ['d_1', 'e_1']);
  const bpdbm = await asBpdbm();
  await bpdbm.RecordContents({ mediaId: 'C00003', validImages: 1, expirationS: 500n });
  await bpdbm.RecordContents({ mediaId: 'disk-unit', validImages: 1, expirationS: 500n });
  const told = await row('C00003');
  expect(told).toMatchObject({ images: 2, validImages: 1, dataExpirationS: 500n, version });
});

test('bpdbm is asked to make room once a disk storage unit is above its mark', async () => {
  const label = 'disk1';
  const disk = { type: 'Disk', path: '/backups', diskType: 'BasicDisk', maxDrives: 2 };
  await world.cli.AddStorageUnit({
    unit: { label, mediaServer: 'media1', ...disk, highWaterMark: 90, lowWaterMark: 80 },
  });
  const report = (freeBytes: bigint) =>
    world.asBptm.ReportDisks({ disks: [{ storageUnit: label, capacityBytes: 100n, freeBytes }] });
  const asked = () => world.bpdbm.requests('CleanUpImages').length;
  await report(20n);
  await report(5n);
  await eventually('bpdbm is asked', () => asked() === 1);
  await report(4n);
  await report(50n);
  await report(3n);
  await eventually('bpdbm is asked again', () => asked() === 2);
  expect(world.bpdbm.requests('CleanUpImages')[0]).toMatchObject({ storageUnit: label });
});
