// A full disk looks like the end of the medium, a failing one like a write error; neither leaves half a record.

import { afterEach, expect, test } from 'vitest';
import { type FileLayer, hostFiles } from '../src/file-layer.ts';
import { blockOf, MIB, makeVirtualBench, tapeText, type VirtualBench } from './virtual-bench.ts';

const benches: VirtualBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.dispose();
});

/** A disk that takes so many bytes, the last of them in a short write, and then fails. */
function diskWithRoom(bytes: number, code: string): FileLayer {
  let room = bytes;
  const write: FileLayer['write'] = (fd, buffers, position) => {
    // Only the records count: the small files beside them are written elsewhere.
    if (position === null || position < SEGMENT_START)
      return hostFiles.write(fd, buffers, position);
    if (room <= 0) throw Object.assign(new Error(code), { code });
    const taken: Uint8Array[] = [];
    for (const buffer of buffers) {
      const part = buffer.subarray(0, Math.max(0, room));
      room -= part.length;
      if (part.length > 0) taken.push(part);
    }
    return hostFiles.write(fd, taken, position);
  };
  return { ...hostFiles, write };
}

const SEGMENT_START = 128;

async function open(code: string, roomBytes: number) {
  const bench = await makeVirtualBench({ segmentBytes: 64 * MIB });
  benches.push(bench);
  const drive = await bench.open({ files: diskWithRoom(roomBytes, code) });
  return { bench, drive };
}

const blocks = [1, 2, 3, 4, 5].map((seed) => blockOf(seed, 1000));
const STORED = 64 + 1024;

for (const code of ['ENOSPC', 'EDQUOT']) {
  test(`${code} is the end of the medium, wherever in a record it strikes`, async () => {
    for (const room of [0, 10, 64, 100, STORED - 1, STORED, STORED + 1, 3 * STORED + 500]) {
      const { bench, drive } = await open(code, room);
      const fits = Math.floor(room / STORED);
      expect(await drive.writeBlocks(blocks)).toEqual({
        written: fits,
        earlyWarning: true,
        endOfMedium: true,
      });
      expect((await drive.position()).object).toBe(fits);
      const wanted = blocks.slice(0, fits).map((_, i) => `${i + 1}:1000`);
      expect(await tapeText(drive)).toBe(wanted.join(' '));
      await drive.close();
      expect(await tapeText(await bench.open())).toBe(wanted.join(' '));
    }
  });
}

test('a failing disk is a write error; what is whole stays, and writing can go on behind it', async () => {
  const { bench, drive } = await open('EIO', 2 * STORED + 300);
  await expect(drive.writeBlocks(blocks)).rejects.toMatchObject({ status: 'mediaWriteError' });
  expect((await drive.position()).object).toBe(2);
  expect(await tapeText(drive)).toBe('1:1000 2:1000');
  await drive.close();
  const again = await bench.open();
  await again.locate('endOfData');
  await again.writeBlocks([blockOf(9, 10)]);
  await again.writeFilemarks(1, 'sync');
  expect(await tapeText(again)).toBe('1:1000 2:1000 9:10 *');
});

test('little room on the host is early warning, long before the cartridge is full', async () => {
  const bench = await makeVirtualBench();
  benches.push(bench);
  const drive = await bench.open({ hostReserveBytes: Number.MAX_SAFE_INTEGER });
  expect(await drive.writeBlocks(blocks)).toEqual({
    written: 5,
    earlyWarning: true,
    endOfMedium: false,
  });
});
