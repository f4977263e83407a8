// Cartridges that leave a library and come into another, also to another file system; and what is left when a copy fails.

import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostFiles } from '../src/file-layer.ts';
import { FIRST_ADDRESS, openVirtualLibrary, walkCartridge } from '../src/index.ts';
import { copyCartridge } from '../src/virtual/cartridge-transfer.ts';
import { recordChanges } from './recording-files.ts';
import { blockOf, MIB, makeVirtualBench, tapeText, type VirtualBench } from './virtual-bench.ts';
import { drawFrom } from './writer-history.ts';

let bench: VirtualBench;
let outside: string;
beforeEach(async () => {
  outside = mkdtempSync(join(tmpdir(), 'outside-'));
  bench = await makeVirtualBench();
  const drive = await bench.open();
  for (let i = 1; i <= 5; i++) await drive.writeBlocks([blockOf(i, 400_000)]);
  await drive.writeFilemarks(1, 'sync');
  await drive.close();
});
afterEach(async () => {
  await bench.dispose();
  rmSync(outside, { recursive: true });
});

test('nothing leaves out of a drive, and an empty element has nothing to give', async () => {
  const library = await openVirtualLibrary(bench.dir);
  await expect(library.exportCartridge(FIRST_ADDRESS.drive, outside)).rejects.toMatchObject({
    status: 'mediaInUse',
  });
  await expect(library.exportCartridge(FIRST_ADDRESS.slot, outside)).rejects.toMatchObject({
    status: 'slotEmpty',
  });
  await library.close();
  expect(readdirSync(outside)).toEqual([]);
});

test('what comes back is the same tape, and can be written on', async () => {
  const library = await openVirtualLibrary(bench.dir);
  await library.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  const folder = await library.exportCartridge(FIRST_ADDRESS.slot, join(outside, 'deep', 'er'));
  expect(folder).toBe(join(outside, 'deep', 'er', 'T1'));
  expect(existsSync(bench.cartridgeDir)).toBe(false);
  expect((await library.rescan()).some(({ full }) => full)).toBe(false);
  const { address } = await library.importCartridge(folder);
  expect(address).toBe(FIRST_ADDRESS.importExport);
  await library.move(address, FIRST_ADDRESS.drive);
  await library.close();
  const drive = await bench.open();
  expect(await tapeText(drive)).toBe('1:400000 2:400000 3:400000 4:400000 5:400000 *');
  await drive.writeBlocks([blockOf(6, 10)]);
  await drive.close();
  expect(walkCartridge(folder).objectCount).toBe(6);
});

test('a copy takes what belongs to a cartridge and nothing else', () => {
  const foreign = join(bench.cartridgeDir, 'seg-00000099.dat');
  symlinkSync('/etc/hostname', foreign);
  writeFileSync(join(bench.cartridgeDir, 'notes.txt'), 'mine');
  const target = join(outside, 'T1');
  const steps: number[] = [];
  copyCartridge(bench.cartridgeDir, target, hostFiles, (done, total) => steps.push(done / total));
  expect(steps.at(-1)).toBe(1);
  expect(readdirSync(target)).toEqual(
    readdirSync(bench.cartridgeDir).filter((name) => !/notes|99/.test(name)),
  );
  expect(() => copyCartridge(bench.cartridgeDir, target, hostFiles)).toThrow(/alreadyExists/);
  rmSync(foreign);
});

test('a copy for which there is no room leaves nothing', () => {
  let room = MIB;
  const files = {
    ...hostFiles,
    write: (fd: number, buffers: readonly Uint8Array[], position: number | null) => {
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      room -= bytes;
      if (room < 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return hostFiles.write(fd, buffers, position);
    },
  };
  expect(() => copyCartridge(bench.cartridgeDir, join(outside, 'T1'), files)).toThrow('full');
  expect(readdirSync(outside)).toEqual([]);
});

test('a copy is there whole or not at all, whenever power is lost', () => {
  const recording = recordChanges(outside);
  copyCartridge(bench.cartridgeDir, join(outside, 'T1'), recording.files);
  const draw = drawFrom(5);
  const crashed = `${outside}-crashed`;
  let there = 0;
  for (let boundary = 0; boundary <= recording.length; boundary++) {
    for (let variant = 0; variant < 3; variant++) {
      recording.crash(boundary, crashed, draw);
      const found = existsSync(join(crashed, 'T1'));
      if (boundary === recording.length) expect(found).toBe(true);
      if (!found) continue;
      there += 1;
      const { objects, objectCount, suspect } = walkCartridge(join(crashed, 'T1'));
      const damage = [...objects].filter((object) => object.damage !== null);
      expect({ objectCount, suspect, damage }).toEqual({
        ...{ objectCount: 6, suspect: null, damage: [] },
      });
    }
  }
  expect(there).toBeGreaterThan(2);
  rmSync(crashed, { recursive: true });
});

test('a cartridge goes to another file system and back', async ({ skip }) => {
  const far = '/dev/shm';
  if (!existsSync(far)) return skip();
  const target = mkdtempSync(join(far, 'vtl-'));
  try {
    const library = await openVirtualLibrary(bench.dir);
    await library.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
    const folder = await library.exportCartridge(FIRST_ADDRESS.slot, target);
    expect(readdirSync(join(bench.dir, 'cartridges'))).toEqual([]);
    const damage = [...walkCartridge(folder).objects].filter((object) => object.damage !== null);
    expect(damage).toEqual([]);
    expect((await library.importCartridge(folder)).barcode).toBe('T1');
    await library.close();
  } finally {
    rmSync(target, { recursive: true });
  }
});
