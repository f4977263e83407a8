// Run on a small file system of its own (see full-host.test.ts): fills it through a virtual drive, then through a disk
// storage unit, and says in JSON how each ended and what could be read afterwards. Argument: its folder.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { asWrites, sampleFragment } from '../src/conformance/sample-fragment.ts';
import {
  createFileDisk,
  createVirtualLibrary,
  type Drive,
  FIRST_ADDRESS,
  openFileDisk,
  openVirtualDrive,
  openVirtualLibrary,
} from '../src/index.ts';

const MIB = 1024 * 1024;
const [root = ''] = process.argv.slice(2);

async function readBack(drive: Drive): Promise<{ blocks: number; marks: number }> {
  const into = Buffer.alloc(MIB);
  let blocks = 0;
  let marks = 0;
  await drive.rewind();
  for (;;) {
    const result = await drive.readBlock(into);
    if (result.kind === 'endOfData') return { blocks, marks };
    if (result.kind === 'filemark') marks += 1;
    else if (into[0] !== (blocks & 0xff)) throw new Error(`block ${blocks} is another`);
    else blocks += 1;
  }
}

async function fillTape() {
  const libraryDir = join(root, 'library');
  const cartridges = [{ barcode: 'T1', capacityBytes: 1024 * MIB, segmentBytes: MIB }];
  await createVirtualLibrary({ dir: libraryDir, drives: 1, slots: 2, cartridges });
  const library = await openVirtualLibrary(libraryDir);
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const open = (epoch: bigint) =>
    openVirtualDrive({ libraryDir, driveIndex: 0, owner: { grantId: 'g', epoch } });
  const drive = await open(1n);
  let written = 0;
  let synced = 0;
  let ended = '';
  while (ended === '') {
    const result = await drive.writeBlocks([{ parts: [Buffer.alloc(60_000, written & 0xff)] }]);
    written += result.written;
    if (result.endOfMedium) ended = 'end of medium';
    else if (written % 10 === 0) {
      const mark = await drive.writeFilemarks(1, 'sync');
      if (mark.written === 1) synced = written;
      else ended = 'end of medium at a filemark';
    }
  }
  const marked = await drive.writeFilemarks(1, 'sync').catch((error) => ({ error: error.status }));
  await drive.close().catch(() => undefined);
  const again = await open(2n);
  const state = await again.loadState();
  const found = await readBack(again);
  await again.close();
  await library.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  await library.close();
  rmSync(libraryDir, { recursive: true });
  return { ended, written, synced, marked, writeProtected: state.writeProtected, ...found };
}

async function fillDisk() {
  const dir = join(root, 'unit');
  await createFileDisk(dir);
  const disk = await openFileDisk({ dir });
  const owner = { grantId: 'g', epoch: 1n };
  const keep = { backupId: 'keep_1', copy: 1 };
  const first = await disk.write(keep, owner);
  await first.writeBlocks(asWrites(sampleFragment(keep, 1, 10)));
  await first.writeFilemarks(1, 'sync');
  await first.close();
  const image = { backupId: 'full_1', copy: 1 };
  const sink = await disk.write(image, owner);
  let ended = '';
  let warned = false;
  const blocks = asWrites(sampleFragment(image, 1, 100));
  while (ended === '') {
    const result = await sink.writeBlocks(blocks);
    warned ||= result.earlyWarning;
    if (result.endOfMedium) ended = 'end of medium';
  }
  const full = (await disk.space()).full;
  await sink.close();
  const listed = (await disk.list()).map(({ backupId }) => backupId);
  const emptied = !(await disk.space()).full;
  await disk.close();
  return { ended, warned, full, listed, emptied };
}

process.stdout.write(JSON.stringify({ tape: await fillTape(), disk: await fillDisk() }));
