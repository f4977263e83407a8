// What only the library on files has: its folder, cartridges that come and go by hand, and calls that died halfway.

import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createVirtualLibrary,
  openVirtualLibrary,
  parseVirtualDrivePath,
  type VirtualLibrary,
  virtualDrivePath,
} from '../src/index.ts';
import { MIB } from './virtual-bench.ts';

let dir: string;
const cartridges = ['A00001', 'A00002'].map((barcode) => ({ barcode, capacityBytes: 4 * MIB }));

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vtl-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

async function places(library: VirtualLibrary): Promise<string[]> {
  const full = (await library.rescan()).filter((element) => element.full);
  return full.map(({ type, index, barcode }) => `${barcode} ${type} ${index}`);
}

test('a library is made once', async () => {
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  await expect(createVirtualLibrary({ dir, drives: 1, slots: 2 })).rejects.toMatchObject({
    status: 'alreadyExists',
  });
  const library = await openVirtualLibrary(dir);
  expect(await places(library)).toEqual(['A00001 slot 0', 'A00002 slot 1']);
  await library.close();
});

test('making a library that died before it had its name can be done again', async () => {
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  // As after a death between the cartridges and the name.
  renameSync(join(dir, 'library.sqlite'), join(dir, 'library.sqlite.new'));
  await expect(openVirtualLibrary(dir)).rejects.toMatchObject({ status: 'robotMissing' });
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  expect(await places(library)).toEqual(['A00001 slot 0', 'A00002 slot 1']);
  await library.close();
});

test('a cartridge that is put into the folder by hand comes in by the door, one taken away is gone', async () => {
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  const outside = join(dir, 'outside');
  renameSync(join(dir, 'cartridges', 'A00001'), outside);
  expect(await places(library)).toEqual(['A00002 slot 1']);
  renameSync(outside, join(dir, 'cartridges', 'A00001'));
  expect(await places(library)).toEqual(['A00001 importExport 0', 'A00002 slot 1']);
  await library.close();
});

test('new cartridges find a place until the library is full', async () => {
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges: cartridges.slice(0, 1) });
  const library = await openVirtualLibrary(dir);
  const add = (barcode: string) => library.addCartridge({ barcode, capacityBytes: 4 * MIB });
  await add('A00003');
  await add('A00004');
  expect(await places(library)).toEqual([
    'A00003 importExport 0',
    'A00001 slot 0',
    'A00004 slot 1',
  ]);
  await expect(add('A00005')).rejects.toMatchObject({ status: 'notMountable' });
  expect(existsSync(join(dir, 'cartridges', 'A00005'))).toBe(false);
  await library.close();
});

test('names and sizes that cannot be are refused before anything is made', async () => {
  const make = (barcode: string, capacityBytes: number) =>
    createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges: [{ barcode, capacityBytes }] });
  for (const [barcode, capacityBytes] of [
    ['../up', MIB],
    ['', MIB],
    ['A1', 10],
    ['A1', 1.5 * MIB + 0.5],
  ] as const) {
    await expect(make(barcode, capacityBytes)).rejects.toMatchObject({
      status: 'invalidParameter',
    });
  }
  expect(existsSync(join(dir, 'library.sqlite'))).toBe(false);
});

test('the path of a drive names its library and number', () => {
  const path = virtualDrivePath('/var/lib/vtl#1', 3);
  expect(parseVirtualDrivePath(path)).toEqual({ libraryDir: '/var/lib/vtl#1', driveIndex: 3 });
  expect(parseVirtualDrivePath('/dev/nst0')).toBeNull();
  expect(() => parseVirtualDrivePath('vtl:relative#1')).toThrow(/invalidParameter/);
});
