// Kinds of cartridges on files: write-once, write-protected, programmable early warning, and what a description from
// elsewhere may say.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { TAPE_ALERT, writeVolumeLabel } from '../src/index.ts';
import { blockOf, MIB, makeVirtualBench, tapeText, type VirtualBench } from './virtual-bench.ts';

const benches: VirtualBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.dispose();
});
async function make(...args: Parameters<typeof makeVirtualBench>): Promise<VirtualBench> {
  const bench = await makeVirtualBench(...args);
  benches.push(bench);
  return bench;
}

test('a write-once tape keeps all that was ever flushed, through owners and labels', async () => {
  const bench = await make({ worm: true });
  const first = await bench.open();
  await writeVolumeLabel(first, { mediaId: 'W00001', assignedMs: 1n, pool: 'worm' });
  await first.writeBlocks([blockOf(1, 1000)]);
  await first.writeFilemarks(1, 'sync');
  const before = await tapeText(first);
  const second = await bench.open();
  expect(await second.loadState()).toMatchObject({ worm: true, writeProtected: false });
  for (const label of ['W00001', 'W00002']) {
    const again = writeVolumeLabel(second, { mediaId: label, assignedMs: 2n, pool: 'worm' });
    await expect(again).rejects.toMatchObject({ status: 'writeProtected' });
  }
  await second.locate({ object: 4 });
  await expect(second.writeBlocks([blockOf(2, 10)])).rejects.toMatchObject({
    status: 'writeProtected',
  });
  expect(await second.tapeAlerts?.()).toEqual([TAPE_ALERT.wormOverwriteAttempted]);
  await second.locate('endOfData');
  await second.writeBlocks([blockOf(3, 20)]);
  await second.writeFilemarks(1, 'sync');
  await second.close();
  const { length } = bench.segments();
  expect(length).toBe(2);
  expect(await tapeText(await bench.open())).toBe(`${before} 3:20 *`);
});

test('programmable early warning comes before early warning, and is told only to who asked', async () => {
  const bench = await make({ capacityBytes: 8 * MIB, earlyWarningBytes: 2 * MIB });
  const asked = await bench.open({ programmableEarlyWarningBytes: 4 * MIB });
  const seen: string[] = [];
  for (let i = 0; i < 7; i++) {
    const { programmableEarlyWarning, earlyWarning } = await asked.writeBlocks([blockOf(i, MIB)]);
    seen.push(`${programmableEarlyWarning ? 'p' : '.'}${earlyWarning ? 'e' : '.'}`);
  }
  expect(seen).toEqual(['..', '..', '..', 'p.', 'p.', 'pe', 'pe']);
  const other = await bench.open();
  await other.locate('endOfData');
  expect(await other.writeFilemarks(1, 'sync')).toEqual({
    ...{ written: 1, earlyWarning: true, endOfMedium: false },
  });
});

test('a description that makes no sense makes no cartridge, and a first one that says less does', async () => {
  const bench = await make();
  const path = join(bench.cartridgeDir, 'cartridge.json');
  const good = JSON.parse(readFileSync(path, 'utf8'));
  for (const bad of [
    'null',
    '',
    '[]',
    JSON.stringify({ ...good, uuid: 7 }),
    JSON.stringify({ ...good, capacityBytes: 'much' }),
    JSON.stringify({ ...good, segmentBytes: 0 }),
    JSON.stringify({ ...good, barcode: '../T1' }),
    JSON.stringify({ ...good, kind: 'other' }),
    JSON.stringify({ ...good, worm: 'yes' }),
  ]) {
    writeFileSync(path, bad);
    const drive = await bench.open();
    await expect(drive.loadState(), bad).rejects.toMatchObject({ status: 'mediaOpenError' });
    await expect(drive.rewind(), bad).rejects.toMatchObject({ status: 'mediaOpenError' });
  }
  const { kind: _kind, cleanings: _cleanings, ...first } = good;
  writeFileSync(path, JSON.stringify(first));
  expect(await (await bench.open()).loadState()).toMatchObject({ loaded: true });
});
