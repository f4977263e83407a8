// One bit of a cartridge's files is wrong, any bit of any file: what is read is what was written there, or an error, and a
// tape that seems to have lost something is not written any more.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { StatusError } from '@tapestry/status';
import { afterEach, expect, test } from 'vitest';
import { hostFiles } from '../src/file-layer.ts';
import { type VirtualDrive, walkCartridge } from '../src/index.ts';
import { makeVirtualBench, type VirtualBench } from './virtual-bench.ts';

const FLIPS = 400;
/** For looking at what is left: nothing needs to last. */
const HASTY = { ...hostFiles, sync: () => {}, flush: () => {} };
const benches: VirtualBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.dispose();
});

function block(seed: number, bytes: number) {
  const part = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) part[i] = (seed * 37 + i * 11) & 0xff;
  return { parts: [part] };
}

/** Objects by number; `!` for one that cannot be read, null behind the end of data. */
async function read(drive: VirtualDrive, objects: number): Promise<(string | null)[]> {
  const into = Buffer.alloc(8192);
  const seen: (string | null)[] = [];
  await drive.rewind();
  for (let object = 0; object < objects; object++) {
    try {
      const result = await drive.readBlock(into);
      if (result.kind === 'endOfData') seen.push(null);
      else if (result.kind === 'filemark') seen.push('*');
      else seen.push(`${result.lengthBytes}:${crc32(into.subarray(0, result.lengthBytes))}`);
    } catch (error) {
      expect(error).toBeInstanceOf(StatusError);
      seen.push('!');
    }
  }
  return seen;
}

async function makeTape() {
  const bench = await makeVirtualBench();
  benches.push(bench);
  // Sessions that append and that cut: behind most segments something lies that was overwritten.
  for (const [from, count] of [
    [0, 6],
    [4, 3],
    [8, 4],
    [10, 1],
  ] as const) {
    const drive = await bench.open();
    await drive.locate({ object: from });
    for (let i = 0; i < count; i++) await drive.writeBlocks([block(from + i, 100 + 700 * i)]);
    await drive.writeFilemarks(1, 'sync');
    await drive.close();
  }
  const drive = await bench.open();
  await drive.locate('endOfData');
  const { object } = await drive.position();
  const wanted = await read(drive, object ?? 0);
  await drive.close();
  return { bench, wanted };
}

test('a wrong bit is found or harmless, and never makes another tape of it', async () => {
  const { bench, wanted } = await makeTape();
  expect(wanted.length).toBe(12);
  const dir = bench.cartridgeDir;
  const files = readdirSync(dir).filter((name) => name !== 'README.txt');
  let refused = 0;
  let damaged = 0;
  let suspect = 0;
  let seed = 4711;
  for (let flip = 0; flip < FLIPS; flip++) {
    seed = (seed * 48_271) % 2_147_483_647;
    const name = files[flip % files.length]!;
    const path = join(dir, name);
    const good = readFileSync(path);
    const at = seed % good.length;
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ (1 << (seed % 8));
    writeFileSync(path, bad);
    const where = `${name} byte ${at} bit ${seed % 8}`;
    const drive = await bench.open({ files: HASTY });
    try {
      const state = await drive.loadState();
      const found = await read(drive, wanted.length);
      for (const [object, seen] of found.entries()) {
        expect([wanted[object], '!', null], `${where}, object ${object}`).toContain(seen);
      }
      const ended = found.includes(null);
      if (ended) expect(state.writeProtected, where).toBe(true);
      if (state.writeProtected) suspect += 1;
      const { objects, suspect: why } = walkCartridge(dir);
      const seen = [...objects].some(({ damage }) => damage !== null);
      if (found.includes('!')) expect(seen || why !== null, where).toBe(true);
      if (seen) damaged += 1;
    } catch (error) {
      expect(error, where).toMatchObject({ status: 'mediaOpenError' });
      refused += 1;
    } finally {
      await drive.close().catch(() => undefined);
      writeFileSync(path, good);
    }
  }
  expect({ refused: refused > 10, damaged: damaged > 50, suspect: suspect > 10 }).toEqual({
    ...{ refused: true, damaged: true, suspect: true },
  });
}, 600_000);
