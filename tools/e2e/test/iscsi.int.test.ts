// A library behind an iSCSI target that is not ours, with CHAP, from the inventory to the restored files.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { startTgt, TGT_LUN, TGT_TARGET, type Tgt, tgtUnavailable } from '../../peers/start-tgt.ts';
import { type Site, startSite, writeNoise } from './site.ts';

const unavailable = tgtUnavailable();
const CHAP = { user: 'media1', secret: 'twelve-bytes-or-more' };
/** More than fits on a cartridge. */
const BYTES = 100_000_000;
const CARTRIDGE_MIB = 64;

if (unavailable !== undefined) {
  test('tgt', ({ skip }) => skip(`tgt: ${unavailable}`));
}

describe.runIf(unavailable === undefined)('an iSCSI library', () => {
  let dir: string;
  let tgt: Tgt;
  let site: Site;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'site-tgt-'));
    const barcodes = ['TAP001L6', 'TAP002L6', 'TAP003L6', 'TAP004L6'];
    tgt = await startTgt({ dir, barcodes, cartridgeMib: CARTRIDGE_MIB, chap: CHAP });
    const file = join(dir, 'iscsi.json');
    const chap = { user: CHAP.user, secretFile: 'secret' };
    writeFileSync(join(dir, 'secret'), CHAP.secret, { mode: 0o600 });
    writeFileSync(file, JSON.stringify({ targets: { [TGT_TARGET]: { chap } } }));
    const pathOf = (lun: number): string => `iscsi://127.0.0.1:${tgt.port}/${TGT_TARGET}/${lun}`;
    site = await startSite({
      devices: { robot: pathOf(TGT_LUN.changer), drives: TGT_LUN.drives.map(pathOf) },
      env: { ltid: { LTID_ISCSI_FILE: file }, bptm: { BPTM_ISCSI_FILE: file } },
    });
    writeNoise(join(site.source, 'noise'), BYTES);
    writeFileSync(join(site.source, 'small.txt'), 'a small one');
  });
  afterAll(async () => {
    await site?.stop();
    await tgt?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('takes an image that needs two of its cartridges, and gives it back', async () => {
    const backup = await site.ended(await site.backup());
    expect(backup.status, await site.details(backup.jobId)).toBe(0);
    const { images } = await site.bus.client('bpdbm').ListImages({});
    const media = images[0]?.fragments.map(({ mediaId }) => mediaId);
    expect(new Set(media).size).toBe(2);
    await site.nothingHeld();
    const restore = await site.ended(await site.restore(['/data']));
    expect(restore.status, await site.details(restore.jobId)).toBe(0);
    expect(compareTrees(site.source, site.restored).differences).toEqual([]);
    await site.nothingHeld();
  }, 180_000);

  test('its serial numbers are on record', async () => {
    const serials = await eventually('on record', async () => {
      const { robots, drives } = await site.bus.client('nbemm').GetDevices({});
      const found = [...robots, ...drives.map(({ drive }) => drive)].map((each) => each?.serial);
      return found.every((serial) => serial !== '') && found;
    });
    expect(serials).toEqual(['LIB0000001', 'DRV0000001', 'DRV0000002']);
  });
});
