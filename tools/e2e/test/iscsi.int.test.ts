// A library behind an iSCSI target that is not ours, configured by the very commands of docs/iscsi-libraries.md: from the
// look at its portal to the restored files.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { ROOT } from '../../launcher/layout.ts';
import { startTgt, TGT_TARGET, type Tgt, tgtUnavailable } from '../../peers/start-tgt.ts';
import { type Site, startSite, writeNoise } from './site.ts';

const run = promisify(execFile);
const unavailable = tgtUnavailable();
const PAGE = readFileSync(join(ROOT, 'docs/iscsi-libraries.md'), 'utf8');
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

  /** Runs one command line of the page against the target of this test; answers what it printed. */
  async function command(line: string): Promise<string> {
    const [name = '', ...words] = asHere(line).split(' ');
    const env = { ...process.env, TAPESTRY_STATE_DIR: site.system.layout.stateDir };
    return (await run(join(ROOT, 'bin', name), words, { env })).stdout;
  }

  const asHere = (text: string): string =>
    text
      .replaceAll('10.0.0.9:3260', `127.0.0.1:${tgt.port}`)
      .replaceAll('iqn.2026-01.org.example:library', TGT_TARGET);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'site-tgt-'));
    const barcodes = ['ISC001L6', 'ISC002L6', 'ISC003L6', 'ISC004L6'];
    tgt = await startTgt({ dir, barcodes, cartridgeMib: CARTRIDGE_MIB, chap: CHAP });
    const file = join(dir, 'iscsi.json');
    const [, json = ''] = /```json\n([\s\S]*?)```/.exec(PAGE) ?? [];
    writeFileSync(file, asHere(json));
    writeFileSync(join(dir, 'library.secret'), CHAP.secret, { mode: 0o400 });
    const env = { ltid: { LTID_ISCSI_FILE: file }, bptm: { BPTM_ISCSI_FILE: file } };
    site = await startSite({ env });
    writeNoise(join(site.source, 'noise'), BYTES);
    writeFileSync(join(site.source, 'small.txt'), 'a small one');
  });
  afterAll(async () => {
    await site?.stop();
    await tgt?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('is configured as its page says', async () => {
    const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)];
    const lines = blocks.flatMap(([, block = '']) => block.trim().split('\n'));
    expect(lines.length).toBeGreaterThan(7);
    const printed: string[] = [];
    for (const line of lines) printed.push(await command(line));
    const [probe = ''] = printed;
    expect(probe).toMatch(/1 +drive +IBM ULT3580-TD6 +DRV0000001 +drive 1 in LIB0000001/);
    expect(probe).toMatch(/3 +robot +STK L700 +LIB0000001/);
    expect(printed.join('\n')).toMatch(/ISC004.*added in slot 4/);
  }, 180_000);

  test('takes an image that needs two of its cartridges, and gives it back', async () => {
    const backup = await site.ended(await site.backup());
    expect(backup.status, await site.details(backup.jobId)).toBe(0);
    const { images } = await site.bus.client('bpdbm').ListImages({});
    const media = images[0]?.fragments.map(({ mediaId }) => mediaId);
    expect(new Set(media).size).toBe(2);
    expect(media?.every((mediaId) => mediaId.startsWith('ISC'))).toBe(true);
    await site.nothingHeld();
    const restore = await site.ended(await site.restore(['/data']));
    expect(restore.status, await site.details(restore.jobId)).toBe(0);
    expect(compareTrees(site.source, site.restored).differences).toEqual([]);
    await site.nothingHeld();
  }, 180_000);

  test('is known by its serial numbers', async () => {
    await eventually('on record', async () => {
      const { robots, drives } = await site.bus.client('nbemm').GetDevices({});
      const known = [...robots, ...drives.map(({ drive }) => drive)];
      const serials = known.flatMap((each) => each?.serial || []);
      return serials.join(' ') === 'LIB0000001 DRV0000001 DRV0000002';
    });
  });
});
